"""Confusions beside the similarity, and calibration."""

from __future__ import annotations

import numpy as np
import pytest

from study.report.parts import calibration, classes, learned
from tests.study.report.conftest import (
    CLEAN,
    Reporter,
    section_of,
    words_of,
)


def test_confusions_stand_beside_the_similarity_and_what_was_learned_is_drawn(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter.worker.accuracy = lambda todo, epoch: 0.7 + 0.01 * todo.repeat
    monkeypatch.setattr(classes, "kept_confusion", lambda folder, which: np.eye(10, dtype=int) * 7 + 1)
    learned_arrays = {"epsilon": np.full(10, 0.2), "mixture": np.eye(10) * 0.5}
    monkeypatch.setattr(learned, "kept_arrays", lambda folder, which: learned_arrays)
    mcel = {"family": "mcel", "space": {"epsilon": 0.2, "similarity": "lda"}}
    reporter.launch(families=["ce", mcel], noise__rate=0.0, search__repeats=2)
    document = reporter.document()
    shown = {picture.name: picture for picture in document.pictures}
    assert [len(shown[f"classes-{name}-digits-clean-mlp-hidden-8"].figure.axes) for name in ("ce", "mcel")] == [1, 2]
    right = shown["classes-mcel-digits-clean-mlp-hidden-8"].figure.axes[1]
    assert right.get_title(loc="left") == "Similarity 'lda'"
    assert "340 predictions" in shown["classes-ce-digits-clean-mlp-hidden-8"].caption
    assert {"learned-ce-epsilon-digits-clean-mlp-hidden-8", "learned-ce-mixture-digits-clean-mlp-hidden-8"} <= set(
        shown
    )


def test_rows_of_a_confusion_are_labels_and_columns_what_was_predicted(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    threes_taken_for_eights = np.eye(10, dtype=int) * 6
    threes_taken_for_eights[3, [3, 8]] = 5, 15
    monkeypatch.setattr(classes, "kept_confusion", lambda folder, which: threes_taken_for_eights)
    reporter.launch(families=["ce"], noise__rate=0.0, search__repeats=2)
    (block,) = [picture for picture in reporter.document().pictures if picture.name.startswith("classes-")]
    (axes,) = block.figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("label", "predicted")
    drawn = np.ma.filled(axes.images[0].get_array(), 0)
    assert drawn[3, 8] == pytest.approx(0.75)
    assert drawn.sum() == pytest.approx(0.75), "nothing else lies off the diagonal"


def test_reliability_is_drawn_of_all_repeats_bins_against_true_labels(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bins = np.zeros((2, 2, 3, 15))
    bins[1, 0, :, 9] = [20, 13, 10]  # of true labels, before scaling: confidence 0.65, accuracy 0.5
    bins[1, 0, :, 14] = [4, 3.9, 4]  # with two repeats too few to draw
    bins[1, 1, :, 7] = [24, 12, 14]
    monkeypatch.setattr(calibration, "kept_calibration", lambda folder, which: bins)
    reporter.launch(search__repeats=2, noise__rate=0.0)
    document = reporter.document()
    table, picture = section_of(document, "Calibration").blocks[1:]
    assert table.title == "Calibration on validation images: digits, clean, mlp hidden=8"
    assert picture.name == "reliability-digits-clean-mlp-hidden-8"
    assert "n = 2 repeats" in picture.caption
    assert [axes.get_title(loc="left") for axes in picture.figure.axes] == ["ce", "mse", "tce"]
    for axes in picture.figure.axes:
        _, before, after = (np.array(line.get_xydata()) for line in axes.lines)
        np.testing.assert_allclose(before, [[0.65, 0.5]])
        np.testing.assert_allclose(after, [[0.5, 14 / 24]])
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)


def test_calibration_of_test_images_and_reliability_on_validation_images_are_told_apart(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "kept_calibration", lambda folder, which: np.full((2, 2, 3, 15), 12.0))
    reporter.launch(noise__rate=0.0, search__repeats=2, confirm=3)
    section = section_of(reporter.document(), "Calibration")
    assert [block.title for block in section.blocks if hasattr(block, "title")] == [
        f"Calibration on test images: {CLEAN}", f"Reliability on validation images: {CLEAN}"
    ]  # fmt: skip
    assert "different images and repeats" in words_of(section)


def test_checkpoints_without_bins_give_the_table_and_say_so(reporter: Reporter) -> None:
    reporter.launch(search__repeats=2)
    section = section_of(reporter.document(), "Calibration")
    assert "no reliability diagram" in words_of(section)
    assert not any(hasattr(block, "figure") for block in section.blocks)
