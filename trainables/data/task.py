"""A task's data: images, a split of them and noisy labels, put together once and kept by hash."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data.datasets import Images, load_pool
from trainables.data.noise import NOISES, Part, manifest, settle
from trainables.data.pixels import channel_statistics, mean_image, representative
from trainables.data.split import split_of
from trainables.data.store import cached_arrays, content_hash
from trainables.similarity import FORMAT, SIMILARITIES, identity
from trainables.similarity.report import perplexity
from trainables.similarity.resolve import pinned

TASK_FORMAT = 1  # raised when a task comes out differently, so that kept ones are not read


@dataclass(frozen=True)
class TaskData:
    """What a trial trains and validates on. Labels come noisy and clean; indices point into `pool`.

    `noise_manifest` says what the noise did (`trainables/data/noise/manifest.py`).
    """

    pool: Images
    train_index: np.ndarray
    val_index: np.ndarray
    noisy_labels: np.ndarray
    split_digest: str
    noise_digest: str
    noise_manifest: Mapping[str, Any]
    cache: Path

    @property
    def train_labels(self) -> np.ndarray:
        """The labels that training sees, `[N]`."""
        return self.noisy_labels[self.train_index]

    @cached_property
    def realised_rate(self) -> float:
        """The share of training labels that really differ from the true ones."""
        return float((self.train_labels != self.pool.labels[self.train_index]).mean())

    @cached_property
    def pixel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the training pixels per channel, each `[channels]`, on a scale of 0 to 1.

        Of 2,000 training images, always the same, where images are decoded on demand.
        """
        mean, deviation = self._kept_statistics("channels", channel_statistics)
        return mean, deviation

    @cached_property
    def mean_image(self) -> np.ndarray:
        """Mean of the training images, `[channels, height, width]`, on a scale of 0 to 1; of which, as above."""
        return self._kept_statistics("mean-image", lambda images, index: (mean_image(images, index),))[0]

    def _kept_statistics(self, name: str, compute: Callable[..., tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
        """Computed once for a split and kept."""

        def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            index = representative(self.pool.images, np.asarray(self.train_index))
            return {str(i): array for i, array in enumerate(compute(self.pool.images, index))}, {}

        determined_by = content_hash(name, self.pool.digest, self.split_digest)
        arrays, _ = cached_arrays(self.cache / "statistics" / f"{name}-{determined_by}", make)
        return tuple(np.array(arrays[key]) for key in sorted(arrays))

    def similarity(self, value: Any) -> np.ndarray:
        """The target similarity `value`, `[C, C]`: rows sum to 1, zero diagonal.

        `value` is a name or a mapping of name and options (`trainables/similarity/catalogue.py`). What is fitted to
        images sees the training part and the labels that training sees. Raises ValueError for what is wrong with it.
        """
        return self._kept_similarity(value, "target")[0]

    def likeness(self, value: Any) -> np.ndarray:
        """The same as a likeness, `[C, C]`: entries in [-1, 1], unit diagonal."""
        return self._kept_similarity(value, "likeness")[0]

    def similarity_facts(self, value: Any) -> dict[str, Any]:
        """What to record of `similarity(value)`: `spec`, `digest` of the matrix, and its rows' `perplexity`."""
        return self._kept_similarity(value, "target")[1]

    def _kept_similarity(self, value: Any, contract: str) -> tuple[np.ndarray, dict[str, Any]]:
        """Computed once, and kept by what determines it: split and noise count only for what is fitted to images."""
        from trainables.similarity.fit import fit  # brings scipy, for which most tasks need not wait

        spec, names = pinned(value), self.pool.class_names
        by_images = "images" in SIMILARITIES[spec["name"]].needs
        data = (self.pool.digest, self.split_digest, self.noise_digest) if by_images else names
        determined_by = content_hash(FORMAT, contract, identity(spec), data)

        def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
            fitted_to = {"images": self.pool.images[self.train_index], "labels": self.train_labels} if by_images else {}
            matrix = fit(spec, num_classes=len(names), class_names=names, contract=contract, **fitted_to)
            facts: dict[str, Any] = {"spec": identity(spec), "digest": content_hash(matrix)}
            if contract == "target":
                facts["perplexity"] = asdict(perplexity(matrix))
            return {"matrix": matrix}, facts

        arrays, facts = cached_arrays(self.cache / "similarities" / f"{spec['name']}-{determined_by}", make)
        return arrays["matrix"], facts


def load_task(dataset: Mapping[str, Any], split: Mapping[str, Any], noise: Mapping[str, Any], cache: Path) -> TaskData:
    """The data of a task, made on first use in `cache` and mapped from there afterwards.

    `dataset` is as `load_pool` takes it; `split` has `holdout` and `seed`; `noise` has `kind` and, as the kind needs
    them, `rate`, options and `seed` (`trainables/data/noise/`). Raises ValueError for values out of range.
    """
    texts = [json.dumps(part, sort_keys=True) for part in (dataset, split, noise)]
    return _load_task(*texts, cache)


@lru_cache(maxsize=8)
def _load_task(dataset_text: str, split_text: str, noise_text: str, cache: Path) -> TaskData:
    dataset, split, noise = (json.loads(text) for text in (dataset_text, split_text, noise_text))
    pool = load_pool(dataset, cache)
    noise = settle(noise, dataset["name"], pool.class_names)
    folder = cache / "tasks" / content_hash(TASK_FORMAT, pool.digest, split, identity(noise))

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        labels = np.asarray(pool.labels)
        train, val = split_of(pool, split["holdout"], split["seed"])
        noisy = labels.copy()
        parts = [
            Part(name, pool.images, labels, index, pool.class_names)
            for name, index in (("train", train), ("val", val))
            if len(index)
        ]
        for part in parts:  # apart, so that each has exactly the rate asked for
            noisy[part.index] = NOISES[noise["kind"]].corrupt(part, noise)
        facts = {
            "split_digest": content_hash(train, val),
            "noise_digest": content_hash(noisy),
            "noise_manifest": manifest(noise, noisy, parts),
        }
        return {"train": train, "val": val, "noisy": noisy}, facts

    arrays, facts = cached_arrays(folder, make)
    return TaskData(
        pool,
        arrays["train"],
        arrays["val"],
        arrays["noisy"],
        facts["split_digest"],
        facts["noise_digest"],
        facts["noise_manifest"],
        cache,
    )
