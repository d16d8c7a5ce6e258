"""Every shipped study, run small: the same losses, data formats, noise and kinds of networks, from file to table."""

from __future__ import annotations

import pytest

from study.records.paths import preset_names
from tests.launch.conftest import Place

QUICK = ("tce-table2-cifar10", "simloss-cifar100", "mcel-fig5")  # one of each shape; the others take their time


@pytest.mark.parametrize(
    "preset", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in preset_names()]
)
def test_preset_runs_small_on_what_data_there_is(preset: str, place: Place) -> None:
    said = place.run("launch", preset, "--smoke", STUDY_DATA="").stdout
    name = f"{preset}-smoke"
    assert said.count("full network") >= 1
    states = dict(place.rows("select state, count(*) from trials group by 1", study=name))
    assert set(states) == {"completed"}
    status = place.json("status", name)
    assert all(row["n"] == 1 for row in status["comparison"])
    synthetic = "stand in" in said
    assert synthetic == (preset != "quickstart")
    assert all(row["dataset"].endswith("-synthetic") == synthetic for row in status["comparison"])
