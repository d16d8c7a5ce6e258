"""Who is there at an address: asked in a process of its own, since Ray's client ends or holds up the one that asks.

`python -m study.running.cluster.head ADDRESS` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from study.errors import StudyError
from study.running.cluster.node import Node
from study.security.ray_token import token_file

ANSWER_S = 30.0  # for which the head is waited for, the start of the asking process included
CONNECT_S = 5.0
AUTO = "auto"


@dataclass(frozen=True)
class Head:
    """The head of a cluster at `address`, and the nodes that live."""

    address: str
    nodes: tuple[Node, ...]


def find_head(address: str) -> Head:
    """The head at `host:port`, or, for `auto`, at RAY_ADDRESS or on this machine.

    StudyError where nobody answers there, it is no Ray, it refuses the token, runs other versions, or has no node here.
    """
    _check_token(address)
    answer = _ask(address)
    where = answer.get("address", address)
    if (problem := answer.get("problem")) is not None:
        raise StudyError(PROBLEMS[problem].format(where=where, said=answer.get("said", "")))
    ours = {"ray": answer["our_ray"], "python": answer["our_python"]}
    for what, mine in ours.items():
        if answer[what] != mine:
            raise StudyError(
                f"the cluster at {where} runs {what.capitalize()} {answer[what]}, this command {mine}: they must be "
                f"the same; install {what}=={answer[what]} here, or start the cluster with {mine}"
            )
    nodes = tuple(Node(**node) for node in answer["nodes"])
    if not any(node.id in answer["here"] for node in nodes):
        raise StudyError(
            f"the cluster at {where} has no node on this machine, which a launch needs to take part in it; "
            f"'ray start --address {where} --num-cpus 0' makes it one, or launch on the head itself"
        )
    return Head(where, nodes)


PROBLEMS = {
    "none": (
        "--address auto: RAY_ADDRESS is not set and no Ray cluster runs on this machine; give --address host:port, or "
        "launch without --address, which starts one of its own here"
    ),
    "malformed": "--address {where}: not host:port, as in 10.0.0.5:6379, and not auto",
    "nobody": "no Ray cluster answers at {where}: {said}; start one with 'ray start --head', or give its --address",
    "token": (
        "the cluster at {where} refuses the token; let RAY_AUTH_TOKEN hold the one of its head, or RAY_AUTH_TOKEN_PATH "
        "name a file with it"
    ),
    "strange": "what answers at {where} is no head of a Ray cluster: {said}; its port is 6379 where none was given",
}


def _check_token(address: str) -> None:
    """Ray ends a process that wants to show a token and has none."""
    if os.environ.get("RAY_AUTH_MODE") != "token" or os.environ.get("RAY_AUTH_TOKEN") or token_file().is_file():
        return
    raise StudyError(
        f"--address {address}: there is no token in RAY_AUTH_TOKEN or {token_file()}; copy the one of the cluster's "
        "head there, or set RAY_AUTH_MODE=disabled for a cluster that asks for none"
    )


def _ask(address: str) -> dict[str, Any]:
    environment = os.environ | {"RAY_py_gcs_connect_timeout_s": "10", "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, address], env=environment, capture_output=True, text=True,
            timeout=ANSWER_S, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer
    except subprocess.TimeoutExpired:
        return {"problem": "strange", "said": f"nothing was heard for {ANSWER_S:g} s"}
    except (json.JSONDecodeError, IndexError):
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return {"problem": "strange", "said": said[-1][:200] if said else f"asking ended with {done.returncode}"}


def _answer(asked: str) -> dict[str, Any]:
    """What is known of the cluster at `asked`, on the side of the asking process."""
    import socket

    from ray._common.usage.usage_lib import get_cluster_metadata
    from ray._private import services
    from ray._private.utils import compute_version_info
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # of a compiled module
    from ray.exceptions import AuthenticationError

    try:
        found = services.get_ray_address_from_environment(asked, None) if asked == AUTO else asked
        host, port = services.extract_ip_port(found)
    except ConnectionError:
        return {"problem": "none"}
    except ValueError:
        return {"problem": "malformed", "address": found}
    where = f"{host}:{port}"
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as problem:
        return {"problem": "nobody", "address": where, "said": problem.strerror or str(problem)}
    try:
        client = GcsClient(address=where)
        versions = get_cluster_metadata(client)
        infos = client.get_all_node_info(timeout=CONNECT_S).items()
    except AuthenticationError:
        return {"problem": "token", "address": where}
    except Exception as problem:  # of another protocol or version
        return {"problem": "strange", "address": where, "said": str(problem).strip().splitlines()[0][:200]}
    nodes = [
        {"id": identity.hex(), "name": info.node_name, "resources": dict(info.resources_total)}
        for identity, info in infos
        if info.state == 0  # alive
    ]
    our_ray, our_python = compute_version_info()[:2]
    return {
        "address": where, "ray": versions["ray_version"], "python": versions["python_version"], "our_ray": our_ray,
        "our_python": our_python, "nodes": nodes, "here": sorted(services.find_node_ids()),
    }  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_answer(sys.argv[1])) + "\n")
