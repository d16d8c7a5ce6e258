"""Studies whose trials train in lanes: what Ray and the ledger see of them is what they see of any."""

from __future__ import annotations

import pytest

from tests.launch.conftest import TINY_TRIALS, Place

LANES = ("--set", "resources.lanes=4")


def test_a_study_in_lanes_is_the_same_study(place: Place) -> None:
    place.run("launch", "tiny.yaml", *LANES)
    laned = {(key, epoch): value for key, epoch, value in _losses(place)}
    assert place.rows("select state, count(*) from trials group by 1") == [("completed", TINY_TRIALS)]
    widths = place.rows("select distinct json_extract(metrics, '$.lanes') from reports")
    assert max(widths) > (1,)
    assert place.mlflow("select count(*) from metrics where key = 'lr'") == [(TINY_TRIALS * 4,)]
    retrained = place.json("train", "studies/tiny/best/tce-clean.yaml")
    assert retrained["agrees"]
    place.run("delete", "tiny", "--yes")
    place.run("launch", "tiny.yaml")
    lone = {(key, epoch): value for key, epoch, value in _losses(place)}
    assert lone.keys() == laned.keys()
    assert laned == pytest.approx(lone, rel=1e-3)


def _losses(place: Place) -> list[tuple[str, int, float]]:
    return place.rows("select trial_key, epoch, json_extract(metrics, '$.train_loss') from reports")


def test_asha_stops_lanes_and_others_take_their_places(place: Place) -> None:
    asha = ("scheduler.name=asha", "scheduler.grace_epochs=1", "scheduler.reduction=2", "training.epochs=8")
    space = "families.1.space.alpha={grid: [0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 1.5, 1.9]}"
    changes = [part for change in (*asha, "search.configs=8", space, "noise.rate=0.4") for part in ("--set", change)]
    place.run("launch", "tiny.yaml", *LANES, *changes)
    states = dict(place.rows("select state, count(*) from trials group by 1"))
    assert states.keys() == {"completed", "stopped_early"}
    stopped = place.rows("select distinct epoch from trials where state = 'stopped_early'")
    assert {epoch for (epoch,) in stopped} <= {1, 2, 4}
    reports = place.rows("select count(*), (select sum(epoch) from trials) from reports")
    assert reports[0][0] == reports[0][1]
