"""What is asked of every node before the first trial, and the line that says which cannot take part, and why."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.errors import StudyError
from study.records.environment import package_versions, training_code
from study.running.cluster.errands import NoAnswerError, run_on
from study.running.cluster.node import Node, titles
from study.running.site import Cargo
from trainables.storage import Storage

GREETING_S = 90.0  # for a worker to start on a busy node, and code to arrive there
DATA_S = 1800.0  # to decode data for the first time
CLOCKS_S = 5.0  # by which the clocks of two machines may differ without a word
MATTER = ("torch", "torchvision", "numpy", "ray")  # whose versions change numbers, or what workers understand


@dataclass(frozen=True)
class Needs:
    """What every node has to have: the `place` that checkpoints go to, and what its trials need.

    The place is a storage's, or the study's own folder. `cache` is where data sets are kept, unless a node has a cache
    of its own.
    """

    place: Storage
    cache: str
    cargo: Cargo


def check_nodes(nodes: Sequence[Node], needs: Needs, say: Callable[[str], None]) -> None:
    """StudyError, with the node's name, where one cannot run the study's trials; `say` is told what is doubtful."""
    named = titles(nodes)
    word, name = secrets.token_hex(8), f".probe-{secrets.token_hex(4)}"
    needs.place.write(name, word.encode())
    try:
        sent = time.time()
        greeted = run_on([node.id for node in nodes], greet, needs.place.uri, name, timeout_s=GREETING_S)
        came = time.time()
        ours = {name: package_versions()[name] for name in MATTER}
        for node, answer in greeted.items():
            _check_answer(f"node {named[node]}", answer)
            _check_versions(f"node {named[node]}", answer, ours)
            if answer["problem"] is None and not _agrees(needs.place, word, answer):
                answer["problem"] = "it is another one there"
            if answer["problem"] is not None:
                raise StudyError(_unusable(named[node], needs.place, answer["problem"]))
            off = max(sent - answer["clock"], answer["clock"] - came)
            if off > CLOCKS_S:
                say(f"node {named[node]}: its clock is {off:.0f} s off this machine's; times in curves will be, too")
    finally:
        for file in needs.place.names():
            if file.startswith(name):
                needs.place.remove(file)
    _check_data(nodes, needs, say)


def _unusable(node: str, place: Storage, problem: str) -> str:
    if place.is_shared_path:
        return (
            f"node {node}: the study's folder {place.uri} cannot be used there: {problem}; let STUDY_HOME be a folder "
            "that all nodes share, at the same path, or keep checkpoints in --storage URI"
        )
    return (
        f"node {node}: the storage {place.uri} cannot be used there: {problem}; set AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL where Ray is started on it"
    )


def _check_data(nodes: Sequence[Node], needs: Needs, say: Callable[[str], None]) -> None:
    say(f"looking for the data on {len(nodes)} nodes")
    named = titles(nodes)
    wanted = (list(needs.cargo.datasets), needs.cargo.tested, needs.cache)
    found = run_on([node.id for node in nodes], read_data, *wanted, timeout_s=DATA_S)
    for node, answer in found.items():
        if isinstance(answer, ValueError):
            raise StudyError(f"node {named[node]}: {answer}")
        _check_answer(f"node {named[node]}", answer)


def _check_answer(who: str, answer: Any) -> None:
    if isinstance(answer, NoAnswerError):
        raise StudyError(f"{who}: {answer}; look at it with 'ray status', or take it out of the cluster")
    if isinstance(answer, Exception):
        raise StudyError(f"{who} cannot run a study: {type(answer).__name__}: {answer}; install what is missing there")


def _check_versions(who: str, answer: Mapping[str, Any], ours: Mapping[str, str]) -> None:
    for name, mine in ours.items():
        if (theirs := answer["packages"][name]) != mine:
            raise StudyError(
                f"{who} has {name} {theirs}, this machine {mine}: the same trial would come to other numbers; install "
                f"{name}=={mine} there"
            )
    if answer["code"] != training_code():
        raise StudyError(f"{who} runs other code of this platform, though it was sent ours; restart Ray on it")


def _agrees(place: Storage, word: str, answer: Mapping[str, Any]) -> bool:
    """Whether the node read what was written here, and wrote what is read here."""
    try:
        echo = place.read(answer["echo"]).decode()
    except OSError:
        return False
    return bool(answer["word"] == word and echo == word[::-1])


def greet(uri: str, name: str) -> dict[str, Any]:
    """On the node: what it has, what it reads at `uri` under that name, and under which it wrote the reverse of it."""
    import ray

    answer: dict[str, Any] = {"clock": time.time(), "packages": package_versions(), "code": training_code()}
    place, echo = Storage(uri), f"{name}-{ray.get_runtime_context().get_node_id()}"
    try:
        word = place.read(name).decode()
        place.write(echo, word[::-1].encode())
    except FileNotFoundError:
        return answer | {"problem": "it is not there, or is another one"}
    except OSError as problem:
        return answer | {"problem": problem.strerror or str(problem)}
    return answer | {"problem": None, "word": word, "echo": echo}


def read_data(datasets: Sequence[Mapping[str, Any]], tested: bool, cache: str) -> None:
    """On the node: read every data set once, so that it is in the node's cache; ValueError as `load_pool` says."""
    from trainables.data.datasets import load_pool, load_test
    from trainables.files import cache_here
    from trainables.own import TRAVELLED, look_in

    look_in([TRAVELLED])
    kept = cache_here(cache)
    for dataset in datasets:
        load_pool(dataset, kept)
        if tested:
            load_test(dataset, kept)
