"""An exported network at work: on image files, on the test part of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.errors import StudyError
from study.export.reading import described_input_of, network_of, read_export


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of an image, the likeliest first, with their probabilities.

    `changed` says what was made of an image that is not such as the network was trained on.
    """

    image: Path
    classes: list[tuple[str, float]]
    changed: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one network on test images; `notes` say in sentences what makes them doubtful."""

    dataset: str
    images: int
    device: str
    metrics: dict[str, float]
    notes: list[str]


def predict(file: Path, images: Sequence[Path], *, top: int = 5) -> list[Prediction]:
    """What the exported network makes of image files; StudyError for a file that is none, or not an image."""
    values = read_export(file)
    described = described_input_of(file, values)
    network = network_of(file, values)
    for path in images:
        if not path.is_file():
            raise StudyError(f"{path}: no such file; give image files")
    from trainables.deployed import change_of, probabilities, read_images

    try:
        found = probabilities(network, read_images(images, described))
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    names = [str(name) for name in described["classes"]]
    return [
        Prediction(
            path,
            [(names[c], float(shares[c])) for c in (-shares).argsort(kind="stable")[:top]],
            change_of(path, described),
        )
        for path, shares in zip(images, found, strict=True)
    ]


def evaluate(file: Path, cache: Path, *, root: Path | None = None, dataset: str | None = None) -> Evaluation:
    """Test metrics of the exported weights, on the data set that they were trained on or on `dataset`, below `root`.

    StudyError where files are missing, or the images or classes are not such as the network takes.
    """
    values = read_export(file)
    described = described_input_of(file, values)
    trained_on = values["trial"]["dataset"]
    asked: dict[str, Any] = dict(trained_on) if dataset in (None, trained_on["name"]) else {"name": dataset}
    device = _device()
    network = network_of(file, values, device)
    from trainables.data.datasets import takes_root
    from trainables.deployed import evaluate as measure
    from trainables.deployed import evaluation_images

    try:
        if root is not None and takes_root(asked["name"]):
            asked["root"] = str(root.expanduser().absolute())
        test = evaluation_images(asked, described, len(described["classes"]), cache)
        metrics = measure(network, test, device)
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    notes = []
    if list(test.class_names) != described["classes"]:
        notes.append("its classes have other names than those that the network was trained on, and are taken in order")
    if test.synthetic:
        notes.append("its images were made by a program to try the format: the numbers mean nothing")
    return Evaluation(asked["name"], len(test.labels), device, metrics, notes)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
