"""A study shrunk until it runs in about a minute: to see that all of it works before hours are spent on it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from study.errors import StudyError
from study.planning.stand_in import PER_CLASS, num_images, write_stand_in
from study.records.paths import Home
from study.spec import DatasetSpec, StudySpec
from study.spec.spaces import points_of
from study.spec.study_file import parse_spec
from study.spec.yaml_file import Document
from trainables.data.datasets import Images, files_are_there, get_source, load_pool
from trainables.losses.families import get_family
from trainables.models import smallest

ENDING = "-smoke"
MEANINGLESS = "Smoke run, its numbers mean nothing."  # how its description begins
EPOCHS, CONFIGS, REPEATS, RATES = 2, 2, 2, 2
RAREST = 3  # images of the rarest class: a holdout takes one of them
BATCH, HOLDOUT = 64, 0.2


def shrink(spec: StudySpec, document: Document, home: Home) -> StudySpec:
    """The same study, small, under a name of its own; changes `document` to say so.

    Two epochs, two configs a family, one repeat, two of the noise rates, some hundred images, and networks of the same
    kind at their smallest width and depth. Where a data set's files are not there, synthetic ones in its real format
    stand in, and tables say so. The numbers mean nothing; of the paper its source stays, its numbers are left out.
    """
    from_file = any(noise.kind == "file" for noise in spec.noise)  # one label for each image
    values = document.values
    values |= {
        "name": spec.name + ENDING,
        "description": f"{MEANINGLESS} {spec.description}".strip(),
        "dataset": [_few_images(dataset, home, whole=from_file) for dataset in spec.dataset],
        "noise": [_few_rates(noise.model_dump(exclude_defaults=True)) for noise in spec.noise],
        "model": _distinct([_smallest(model.name) for model in spec.model]),
        "training": _short(spec.training.model_dump(mode="json", exclude_none=True)),
        "search": {"name": spec.search.name, "configs": CONFIGS, "repeats": 1},
        "scheduler": "none",
        "confirm": spec.confirm.model_dump() | {"repeats": REPEATS, "top": 1},
    }
    if spec.paper is not None:
        values["paper"] = {"source": spec.paper.source}
    document.rewritten = True
    document.overridden.clear()
    return parse_spec(document)


def try_full_networks(spec: StudySpec, small: StudySpec, home: Home) -> Iterator[str]:
    """Build every network as `spec` asks for it, train it for one step on two images, and say in a line how it went.

    The step is of cross entropy. StudyError where one cannot be built on its data, or its first step is no number.
    """
    for whole, few in zip(spec.dataset, small.dataset, strict=True):
        pool = load_pool(few.described, home.cache)
        for model in spec.model:
            for modules in _modules(spec):
                try:
                    parameters, seconds = _one_step(model.completed, modules, pool)
                except ValueError as problem:
                    raise StudyError(f"{model.name} on {whole.title}: {problem}") from None
                attached = f", modules at {modules}," if modules not in (None, "last") else ""
                yield (
                    f"full network {model.name}{attached} on {whole.name}: {parameters:,} parameters, "
                    f"one step on two images in {seconds:.1f} s"
                )


def _modules(spec: StudySpec) -> list[str | None]:
    """The blocks at which the study's losses attach modules, each choice once; None where none does."""
    found: list[str | None] = []
    for family in spec.families:
        if get_family(family.family).attaches_modules:
            value = family.full_space().get("modules", "last")
            found += points_of(value)
    return _distinct(found) or [None]


def _one_step(model: Mapping[str, Any], modules: str | None, pool: Images) -> tuple[int, float]:
    """How many parameters the network has, and the seconds that a step of it took; StudyError where it is no number."""
    import torch

    from trainables.engine.network import make_network

    shape, classes = pool.image_shape, pool.num_classes
    network = make_network(model, modules, image_shape=shape, num_classes=classes, seed=0).train()
    images = torch.from_numpy(np.array(pool.images[np.arange(2)])).float() / 255
    targets = torch.tensor(pool.labels[:2])
    started = time.perf_counter()
    outputs = network(images)
    logits = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    loss = torch.stack([torch.nn.functional.cross_entropy(each, targets) for each in logits]).mean()
    loss.backward()
    torch.optim.SGD(network.parameters(), lr=0.01).step()
    if not torch.isfinite(loss):
        raise StudyError(f"{model['name']}: its first loss is {loss.item()}")
    return sum(parameter.numel() for parameter in network.parameters()), time.perf_counter() - started


def _few_images(dataset: DatasetSpec, home: Home, *, whole: bool) -> dict[str, Any]:
    """The data set cut to some hundred images unless it has to be `whole`, or a synthetic one in its format."""
    values: dict[str, Any] = {"name": dataset.name, **(dataset.model_extra or {})}
    if dataset.label:
        values["label"] = dataset.label
    if dataset.root is not None:
        values["root"] = str(dataset.root)
    if get_source(dataset.name).needs_root and not files_are_there(dataset.described):
        values["root"] = str(write_stand_in(dataset.name, values, home.cache))
        values["label"] = f"{dataset.label or dataset.name}-synthetic"
    elif not whole:
        try:
            values["limit"] = _enough(load_pool(dataset.described, home.cache), num_images(values))
        except ValueError as problem:
            raise StudyError(str(problem)) from None
    return values | {"holdout": HOLDOUT}


def _enough(pool: Images, wanted: int) -> int:
    """How many images have some of every class on both sides of the split, `wanted` at the least."""
    counts = np.bincount(pool.labels, minlength=pool.num_classes)
    for_rarest = math.ceil(len(pool.labels) * RAREST / max(1, int(counts.min())))
    return min(len(pool.labels), max(wanted, PER_CLASS * pool.num_classes, for_rarest))


def _few_rates(noise: dict[str, Any]) -> dict[str, Any]:
    rates = noise.get("rate")
    return noise | {"rate": [rates[0], rates[-1]]} if rates and len(rates) > RATES else noise


def _smallest(name: str) -> dict[str, Any]:
    tiny, arguments = smallest(name)
    return {"name": tiny, **arguments}


def _short(training: dict[str, Any]) -> dict[str, Any]:
    training.pop("iterations", None)
    return training | {"epochs": EPOCHS, "batch_size": min(training["batch_size"], BATCH)}


def _distinct(values: list[Any]) -> list[Any]:
    """Each value once, where it stands first."""
    return [value for index, value in enumerate(values) if value not in values[:index]]
