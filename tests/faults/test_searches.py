"""A search that learns, and stops trials early, is killed: it goes on, and asks for no config twice."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from tests.faults.conftest import EPOCHS, Disturbed, kill

GROUP = "Killed processes (SIGKILL)"
CONFIGS, KILLS = 12, 4
LEARNS = (
    "--set", f"search={{name: tpe, configs: {CONFIGS}, repeats: 1}}", "--set", "noise.rate=0",
    "--set", "families=[{family: tce, space: {alpha: {uniform: [0.25, 2.0]}}}, "
    "{family: label_smoothing, space: {epsilon: {uniform: [0.0, 0.4]}}}]",
    "--set", "scheduler={name: asha, grace_epochs: 4, reduction: 3}",
)  # fmt: skip
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_search_by_tpe_and_asha_survives_the_deaths_of_its_driver(disturbed: Disturbed) -> None:
    disturbed, drawn = replace(disturbed, options=LEARNS), random.Random(7)
    for number in range(KILLS):
        running = disturbed.launch_until(lambda seen=number: disturbed.epochs() > 60 * seen + 10)
        time.sleep(drawn.uniform(0.0, 1.0))
        kill(running)
        disturbed.strike()
    disturbed.launch_to_the_end()
    rows = disturbed.place.rows
    assert {state for (state,) in rows("select distinct state from trials")} <= {"completed", "stopped_early"}
    assert rows("select count(*), count(distinct params) from configs group by cell_key") == [(CONFIGS, CONFIGS)] * 2
    assert rows("select count(*) from trials where state = 'completed' and epoch < " + str(EPOCHS)) == [(0,)]
    gaps = "select trial_key from reports group by trial_key having count(*) <> max(epoch) or min(epoch) <> 1"
    assert rows(gaps) == []
    disturbed.assert_shown_once()
    disturbed.keep(
        GROUP, f"the driver, {KILLS} times in a search by TPE with ASHA", "each launch goes on from what proposer and "
        "scheduler were told; no config twice, every trial ended once",
    )  # fmt: skip
