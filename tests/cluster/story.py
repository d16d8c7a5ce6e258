"""What a team does with a cluster, from a laptop that is gone in between; told of any head that is given."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from tests.cluster.conftest import Laptop

OWN_LOSS = '''\
import torch.nn.functional as F
from its_helper import softened
from trainables.losses.base import Loss


class Tempered(Loss):
    """Cross entropy of softened logits."""

    def __init__(self, num_classes, temperature=2.0):
        super().__init__(num_classes)
        self.hyperparameter("temperature", temperature)

    def per_sample(self, logits, targets, indices):
        return F.cross_entropy(softened(logits, self.temperature), targets, reduction="none")
'''
TINY = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 8}
families:
  - ce
  - {family: "my_losses:Tempered", space: {temperature: {grid: [1.5, 2.5]}}}
training: {epochs: 40, optimizer: {name: sgd, lr: 0.05}}
search: {name: grid, repeats: 1}
"""
TRIALS = 3
WAIT_S = 200.0


def write_study(folder: Path) -> None:
    """A study file, and the loss that it names, which has a helper."""
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "my_losses.py").write_text(OWN_LOSS)
    (folder / "its_helper.py").write_text("def softened(logits, by):\n    return logits / by\n")


def tell(laptop: Laptop, head_home: Path) -> None:
    """Submit, ask, read, pull and compare; every command is a process that ends before the next begins."""
    write_study(laptop.root)
    words = ("launch", "tiny.yaml", "--set", "training.epochs=2", "--submit", laptop.address)
    submitted = laptop.json(*words)
    assert submitted["study"] == "tiny"
    assert not laptop.home.exists(), "nothing of it is on the laptop"
    _wait(laptop, submitted["job"])

    status = laptop.json_there("status", "tiny")
    expected = {"id": submitted["job"], "action": "launch", "state": "SUCCEEDED"}
    assert status["job"] == expected, laptop.there("logs", submitted["job"]).stdout
    assert status["states"] == {"completed": TRIALS}
    assert status["running"] is None
    assert [row["study"] for row in laptop.json_there("list")] == ["tiny"]
    assert "Best configurations:" in laptop.there("logs", "tiny").stdout
    assert laptop.there("logs", submitted["job"], "--follow").stdout == laptop.there("logs", "tiny").stdout

    pulled = laptop.json_there("pull", "tiny")
    assert pulled["folder"] == str(laptop.home / "tiny")
    assert laptop.json("compare", "tiny") == laptop.json_at(head_home, "compare", "tiny")
    assert laptop.json("status", "tiny")["comparison"] == status["comparison"]
    exports = sorted(path.name for path in (head_home / "tiny" / "best").iterdir())
    assert sorted(path.name for path in (laptop.home / "tiny" / "best").iterdir()) == exports
    assert any(name.endswith(".safetensors") for name in exports)
    for name in exports:
        here, there = (home / "tiny" / "best" / name for home in (laptop.home, head_home))
        assert here.read_bytes() == there.read_bytes()
    laptop.run("report", "tiny")
    laptop.run("export", "tiny", "--no-weights", "--out", "exported")


def stop_in_the_middle(laptop: Laptop) -> None:
    """A study that would go on for long ends gently: its trials have saved, and are there to go on."""
    write_study(laptop.root)
    changes = [word for change in ("name=longer", "training.epochs=5000") for word in ("--set", change)]
    submitted = laptop.json("launch", "tiny.yaml", *changes, "--submit", laptop.address)
    deadline = time.monotonic() + WAIT_S
    while not re.search(r"[1-9]\d* running, [1-9]", laptop.there("logs", submitted["job"]).stdout):
        assert time.monotonic() < deadline
        time.sleep(1)
    told = laptop.json_there("stop", "longer")
    assert told["stopped"] is True
    assert told["states"]["interrupted"] > 0
    _wait(laptop, submitted["job"])
    assert laptop.json_there("pull", "longer")["renewed"] is False
    assert laptop.json("status", "longer")["states"] == told["states"]


def _wait(laptop: Laptop, job: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while (state := json.loads(laptop.there("logs", job, "--json").stdout)["state"]) in ("PENDING", "RUNNING"):
        assert time.monotonic() < deadline, f"{job} is still {state}"
        time.sleep(1)
