"""Pictures of a cell in MLflow, of a study that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.records.ledger import Ledger
from study.tracking.curves import curve_of, draw_curves
from study.tracking.mlflow_view import MlflowView
from tests.study.conftest import SpecMaker
from tests.study.trained import Trained, train

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    spec = make_spec(
        families=[{"family": "mcel", "space": {"epsilon": {"grid": [0.1]}, "similarity": "lda"}}],
        noise__rate=0.4,
        training__epochs=3,
        tracking={"enabled": True},
    )
    return train(tmp_path_factory.mktemp("home"), spec)


def test_the_run_of_a_cell_has_curves_confusion_similarity_and_noise(trained: Trained) -> None:
    with Ledger(trained.paths.ledger, write=True) as ledger:
        MlflowView(trained.home.mlflow_uri, trained.paths, trained.home, ledger).level(hurry=True)
    found = {path.name: path for path in trained.home.mlflow_artifacts.rglob("*") if path.is_file()}
    assert sorted(found) == ["confusion.png", "curves.png", "noise.json", "noise.png", "similarity.png"]
    assert all(path.read_bytes().startswith(PNG) for name, path in found.items() if name.endswith(".png"))
    assert len({path.parent for path in found.values()}) == 1


def report(value: float | None) -> dict[str, Any]:
    return {"val_accuracy_noisy": value, "train_loss": 1.0}


def test_a_curve_has_the_epochs_that_every_repeat_reported() -> None:
    repeats = [[(1, report(0.1)), (2, report(0.2)), (3, report(0.3))], [(1, report(0.5)), (2, report(None))]]
    epochs, values = curve_of(repeats, "val_accuracy_noisy")
    assert epochs.tolist() == [1]
    np.testing.assert_array_equal(values, [[0.1], [0.5]])


def test_one_epoch_is_no_curve(tmp_path: Path) -> None:
    assert not draw_curves([[(1, report(0.1))]], "val_accuracy", tmp_path / "curves.png", "")
    assert not list(tmp_path.iterdir())
