"""What an exported file says beside its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix, recall_score

from study.export.files import confusion_text
from trainables.similarity.file import read_numbers


def test_an_exported_confusion_says_the_accuracy_of_each_class_and_is_still_a_matrix(tmp_path: Path) -> None:
    labels, predicted = np.random.default_rng(0).integers(0, 4, (2, 50))
    counts = confusion_matrix(labels, predicted, labels=range(5))  # class 4 has no image
    (tmp_path / "confusion.csv").write_text(confusion_text(counts))
    remark = (tmp_path / "confusion.csv").read_text().splitlines()[0]
    *shares, last = remark.removeprefix("# accuracy of each class: ").split(" ")
    np.testing.assert_allclose(
        [float(share) for share in shares], recall_score(labels, predicted, average=None), atol=5e-5
    )
    assert last == "none"
    np.testing.assert_array_equal(read_numbers(tmp_path / "confusion.csv"), counts)
