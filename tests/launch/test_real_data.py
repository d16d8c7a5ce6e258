"""Whole studies on real data, whose folder STUDY_TEST_DATA names; slow, as they train a network until it is good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.launch.conftest import Place

LENET = """\
name: mnist-lenet
dataset: {name: mnist, holdout: 10000}
model: lenet
families: [ce, {family: tce, space: {alpha: 1.0}}]
training:
  epochs: 10
  batch_size: 128
  optimizer: {name: sgd, lr: 0.03, momentum: 0.9, weight_decay: 5e-4}
  augment: standard
confirm: {protocol: retrain, repeats: 1}
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_lenet_learns_mnist_to_985_in_a_thousand(place: Place) -> None:
    data = os.environ.get("STUDY_TEST_DATA", "")
    if not data or not Path(data, "MNIST", "raw").is_dir():
        pytest.skip("no MNIST/raw in STUDY_TEST_DATA, which names a folder of real data")
    place.write(LENET, "mnist.yaml")
    place.run("launch", "mnist.yaml", "--data", data)
    rows = place.json("status", "mnist-lenet")["comparison"]
    assert [row["n"] for row in rows] == [1, 1]
    assert all(row["mean"] > 0.985 for row in rows)
    place.run("confirm", "mnist-lenet")
    confirmed = place.json("status", "mnist-lenet")["confirmed"]
    assert all(row["mean"] > 0.985 for row in confirmed)
