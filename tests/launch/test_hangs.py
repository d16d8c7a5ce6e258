"""A trial that hangs: its process is ended, the others go on, and the ledger says where it hung."""

from __future__ import annotations

import pytest

from tests.launch.conftest import Place

HANGS = """\
import time

import torch

from trainables.losses.ce import CrossEntropy


class Hangs(CrossEntropy):
    \"\"\"Cross entropy that stops for good in its third epoch, once training is under way.\"\"\"

    def per_sample(self, logits, targets, indices):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > 60 and torch.is_grad_enabled():
            time.sleep(10_000)
        return super().per_sample(logits, targets, indices)
"""
STUDY = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 16}
families:
  - ce
  - {family: tce, space: {alpha: {grid: [0.5, 1.5]}}}
  - {family: "beside_it:Hangs"}
training: {epochs: 8, optimizer: {name: sgd, lr: 0.05}}
resources: {timeout_s: 4, retries: 1, checkpoint_interval_s: 0, report_interval_s: 0.2}
"""


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 4])
def test_a_trial_that_hangs_is_given_up_and_takes_no_other_with_it(lanes: int, place: Place) -> None:
    place.write(STUDY)
    (place.root / "beside_it.py").write_text(HANGS)
    place.run("launch", "tiny.yaml", "--set", f"resources.lanes={lanes}", expect=1)
    assert dict(place.rows("select state, count(*) from trials group by 1")) == {"completed": 3, "failed": 1}
    ((reason,),) = place.rows("select reason from trials where state = 'failed'")
    assert reason.startswith("no epoch came for 4 s (resources.timeout_s): it hung in beside_it.py, line 14"), reason
    assert not list(place.root.rglob("*.hang"))
