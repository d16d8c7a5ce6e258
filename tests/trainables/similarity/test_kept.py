"""Similarities of a task: kept by what determines them, files tied down by their content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainables.data.store import content_hash
from trainables.data.task import TaskData
from trainables.similarity import fit as fit_module
from trainables.similarity.fit import fit
from trainables.similarity.resolve import pinned, resolve

NoisyDigits = Callable[[float, int], TaskData]


@pytest.fixture
def task(digits: TaskData, tmp_path: Path) -> TaskData:
    """Digits with a cache of similarities that is empty."""
    return replace(digits, cache=tmp_path / "cache")


def kept(task: TaskData) -> int:
    return len(list((task.cache / "similarities").iterdir()))


def test_lda_is_fitted_on_the_training_part_and_the_labels_training_sees(digits: TaskData) -> None:
    images = np.asarray(digits.pool.images)[digits.train_index]
    seen = fit("lda", images=images, labels=digits.noisy_labels[digits.train_index], num_classes=10)
    np.testing.assert_array_equal(digits.similarity("lda"), seen)
    clean = fit("lda", images=images, labels=digits.pool.labels[digits.train_index], num_classes=10)
    assert np.abs(seen - clean).max() > 1e-3


def test_similarity_is_made_once(task: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    first = task.similarity("lda")
    monkeypatch.setattr(fit_module, "MAKERS", {})
    np.testing.assert_array_equal(task.similarity({"name": "lda", "sharpness": "logistic"}), first)
    assert kept(task) == 1


def test_every_option_and_contract_is_kept_apart(task: TaskData) -> None:
    flat = task.similarity("lda")
    sharp = task.similarity({"name": "lda", "sharpness": "exp", "tau": 0.1})
    likeness = task.likeness("lda")
    assert kept(task) == 3
    assert np.abs(flat - sharp).max() > 0.1
    np.testing.assert_array_equal(np.diag(likeness), 1)
    assert likeness.min() < 0


def test_noise_and_split_count_for_what_is_fitted_to_images_alone(
    task: TaskData, digits_with_noise: NoisyDigits
) -> None:
    other = replace(digits_with_noise(0.4, 11), cache=task.cache)
    for value, entries in (("order", 1), ("uniform", 2), ("lda", 4)):
        task.similarity(value)
        other.similarity(value)
        assert kept(task) == entries


def test_facts_say_what_was_made_and_how_flat_it_is(task: TaskData) -> None:
    """The paper's similarity is close to uniform on digits: our notes say 8.9 of 9."""
    clean = replace(task, noisy_labels=task.pool.labels, noise_digest="clean")
    facts = clean.similarity_facts("lda")
    assert facts["spec"] == {"name": "lda", "sharpness": "logistic", "symmetric": False}
    assert facts["digest"] == content_hash(np.asarray(clean.similarity("lda")))
    assert facts["perplexity"]["most"] == 9
    assert facts["perplexity"]["mean"] == pytest.approx(8.9, abs=0.05)
    assert facts["perplexity"]["max"] < 9


def test_file_is_kept_by_its_content(task: TaskData, tmp_path: Path) -> None:
    uniform = (1 - np.eye(10)) / 9
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, uniform)
        np.testing.assert_allclose(task.similarity({"name": "file", "path": str(tmp_path / name)}), uniform, atol=1e-15)
    assert kept(task) == 1
    ring = np.roll(np.eye(10), 1, axis=1)
    np.save(tmp_path / "a.npy", ring)
    np.testing.assert_array_equal(task.similarity({"name": "file", "path": str(tmp_path / "a.npy")}), ring)


def test_file_that_changed_since_the_study_was_planned_is_refused(task: TaskData, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", (1 - np.eye(10)) / 9)
    planned = resolve({"name": "file", "path": "m.npy"}, folder=tmp_path)
    np.save(tmp_path / "m.npy", np.roll(np.eye(10), 1, axis=1))
    for refuse in (task.similarity, resolve):
        with pytest.raises(ValueError, match=f"planned was {planned['digest']}: the file has changed"):
            refuse(planned)


def test_worker_without_the_file_reads_what_is_kept(task: TaskData, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", (1 - np.eye(10)) / 9)
    planned = resolve({"name": "file", "path": "m.npy"}, folder=tmp_path)
    matrix = task.similarity(planned)
    (tmp_path / "m.npy").unlink()
    np.testing.assert_array_equal(task.similarity(planned), matrix)
    with pytest.raises(ValueError, match=r"similarity 'file': there is no file .*m\.npy"):
        task.likeness(planned)


def test_resolving_takes_relative_paths_from_the_study_files_folder(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text("a: [b, c]\n")
    planned = resolve({"name": "hierarchy", "path": "tree.yaml"}, folder=tmp_path)
    assert planned["path"] == str(tmp_path / "tree.yaml")
    assert len(planned["digest"]) == 16
    assert resolve(planned) == pinned(planned) == planned
    assert resolve("hierarchy") == pinned("hierarchy")
    assert resolve("hierarchy")["digest"] is None
    with pytest.raises(ValueError, match=r"there is no file .*nothing\.yaml"):
        resolve({"name": "hierarchy", "path": "nothing.yaml"}, folder=tmp_path)
    with pytest.raises(ValueError, match="there is no file"):
        resolve({"name": "hierarchy", "path": "."}, folder=tmp_path)
