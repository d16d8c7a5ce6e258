"""Losses in a launched study: what they learn is seen in MLflow, and one's own is a family like the others.

All are slow: each is a row of commands, of which each but the last waits for Ray, MLflow or training.
"""

from __future__ import annotations

import pytest

from tests.launch.conftest import Place

LEARNING = """\
name: tiny
dataset: digits
model: {name: small_cnn, width: 4, hidden: 16}
families:
  - {family: sg_mcel, space: {beta: 1.0, gamma: 1.0}}
  - {family: gmcel, space: {beta: 1.0, gamma: 1.0, eta: 0.1}}
  - {family: msl, space: {modules: conv1, xi: 0.5, training.batch_size: 64}}
training: {epochs: 3, optimizer: {name: sgd, lr: 0.05}}
search: {name: grid, configs: 1}
"""
OWN = """\
import torch.nn.functional as F
from trainables.losses.base import Loss


class Tempered(Loss):
    def __init__(self, num_classes, temperature=2.0):
        super().__init__(num_classes)
        self.hyperparameter("temperature", temperature)

    def per_sample(self, logits, targets, indices):
        return F.cross_entropy(logits / self.temperature, targets, reduction="none")
"""
OWN_STUDY = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 16}
families:
  - ce
  - {family: "losses_beside_it:Tempered", space: {temperature: {grid: [1.0, 4.0]}}}
training: {epochs: 2, optimizer: {name: sgd, lr: 0.05}}
"""


@pytest.mark.slow
def test_what_a_loss_learns_is_seen_in_mlflow_as_curves_and_pictures(place: Place) -> None:
    place.write(LEARNING)
    place.run("launch", "tiny.yaml")
    curves = dict(place.mlflow("select key, count(*) from metrics where key like 'loss_%' group by key"))
    assert curves["loss_epsilon_mean"] == curves["loss_epsilon_min"] == curves["loss_epsilon_max"] == 3
    assert {name for name in curves if "diagonal" in name}
    moved = place.mlflow("select min(value), max(value) from metrics where key = 'loss_epsilon_mean'")[0]
    assert moved[0] < moved[1]
    every = [path.name for path in (place.home / "mlflow-artifacts").rglob("*.png")]
    pictures = sorted(name for name in every if name not in ("confusion.png", "curves.png"))  # each cell has these
    assert pictures == ["epsilon.png", "mixture.png", "similarity.png", "similarity.png"]
    for file in ("gmcel", "msl", "sg_mcel"):
        assert place.json("train", f"studies/tiny/best/{file}.yaml")["equal"]


@pytest.mark.slow
def test_a_loss_of_ones_own_is_a_family_and_its_text_part_of_the_key(place: Place) -> None:
    place.write(OWN, "losses_beside_it.py")
    place.write(OWN_STUDY)
    assert place.json("launch", "tiny.yaml")["ran"] == {"completed": 3}
    scores = dict(place.rows("select json_extract(trial, '$.loss.temperature'), best_score from trials"))
    assert scores[1.0] == scores[None]  # cross entropy, on the same data, order and weights
    assert place.json("train", "studies/tiny/best/Tempered.yaml")["equal"]
    place.write(OWN.replace("self.temperature,", "(2 * self.temperature),"), "losses_beside_it.py")
    again = place.json("launch", "tiny.yaml")
    assert (again["ran"], again["out_of_scope"]) == ({"completed": 2}, 2)
    place.write("raise OSError('not today')", "losses_beside_it.py")
    refused = place.run("launch", "tiny.yaml", expect=2).stderr
    assert "importing 'losses_beside_it': OSError: not today" in refused
    place.run("delete", "tiny", "--yes")  # needs nothing of the loss


@pytest.mark.slow
def test_workers_load_the_loss_beside_the_study_and_not_its_namesake_where_it_is_launched(place: Place) -> None:
    (place.root / "papers").mkdir()
    place.write(OWN, "papers/losses_beside_it.py")
    place.write(OWN_STUDY, "papers/tiny.yaml")
    place.write(OWN.replace("logits /", "logits * 0 /"), "losses_beside_it.py")
    assert place.json("launch", "papers/tiny.yaml")["ran"] == {"completed": 3}


@pytest.mark.slow
def test_the_path_of_a_similarity_counts_from_the_study_file(place: Place) -> None:
    rows = [",".join("1" if i == j else f"{0.5 ** abs(i - j)}" for j in range(10)) for i in range(10)]
    (place.root / "files").mkdir()
    (place.root / "files" / "likeness.csv").write_text("\n".join(rows))
    family = "  - {family: mcel, space: {epsilon: 0.2, similarity: {name: file, path: likeness.csv}}}\n"
    study = OWN_STUDY.replace(
        '  - {family: "losses_beside_it:Tempered", space: {temperature: {grid: [1.0, 4.0]}}}\n', family
    )
    (place.root / "files" / "tiny.yaml").write_text(study)
    assert place.json("launch", "files/tiny.yaml")["ran"] == {"completed": 2}
    assert place.json("launch", "studies/tiny/study.yaml")["ran"] == {}
    refused = place.run("launch", "files/tiny.yaml", "--set", "families.1.space.similarity.path=none.csv", expect=2)
    assert f"there is no file {place.root}/files/none.csv" in refused.stderr
