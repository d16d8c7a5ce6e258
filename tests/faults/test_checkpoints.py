"""Checkpoints that are damaged, or someone else's: found by their hash and their key, never trusted."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Disturbed
from tests.trainables.test_engine_checkpoint import flip_a_bit, truncate

GROUP = "Checkpoints"
OFTEN = ("--set", "resources.report_interval_s=0.1", "--set", "resources.checkpoint_interval_s=0.1")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def generations(folder: Path) -> list[dict[str, Any]]:
    """The checkpoints in a trial's folder, the newest first."""
    manifest = folder / "manifest.json"
    return list(json.loads(manifest.read_bytes())["generations"]) if manifest.exists() else []


def interrupted(disturbed: Disturbed) -> Path:
    """Launch, and end gently in the middle; the folder of a trial with two checkpoints."""

    def amid() -> list[Path]:
        states = "state in ('running', 'interrupted') and epoch between 10 and 90"
        keys = disturbed.place.rows(f"select trial_key from trials where {states}")
        folders = [disturbed.place.home / "tiny" / "checkpoints" / key for (key,) in keys]
        return [folder for folder in folders if len(generations(folder)) == 2]

    running = disturbed.launch_until(lambda: disturbed.ended() >= 2 and disturbed.under_way() and amid())
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=200)
    assert running.returncode == 130
    disturbed.strike()
    return amid()[0]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [(truncate, "the last one truncated"), (flip_a_bit, "a bit of the last one flipped")],
    ids=["truncated", "flipped"],
)
def test_a_damaged_checkpoint_is_found_and_the_one_before_used(
    damage: Callable[[Path], None], fault: str, disturbed: Disturbed
) -> None:
    disturbed = replace(disturbed, options=OFTEN)
    folder = interrupted(disturbed)
    newest, before = generations(folder)
    damage(folder / newest["last"]["file"])
    disturbed.launch_to_the_end()
    (warning,) = disturbed.events("warning")
    assert warning == (
        f"checkpoint of epoch {newest['epoch']} is unusable: {newest['last']['file']} does not match its hash"
    )
    (again,) = disturbed.events("trained again")
    assert f"{before['epoch'] + 1}" in again
    assert disturbed.again() == newest["epoch"] - before["epoch"]
    disturbed.assert_like_calm()
    disturbed.keep(GROUP, fault, "found by its hash: the trial goes on from the one before, and an event says so")


def test_a_checkpoint_of_another_trial_is_refused_and_left_alone(disturbed: Disturbed) -> None:
    disturbed = replace(disturbed, options=OFTEN)
    folder = interrupted(disturbed)
    ((other,),) = disturbed.place.rows("select trial_key from trials where state = 'completed' limit 1")
    aside = disturbed.place.root / "aside"
    folder.rename(aside)
    shutil.copytree(folder.parent / other, folder)
    said = disturbed.launch_to_the_end(expect=1)
    assert "1 trial failed" in said
    failed = disturbed.place.rows("select trial_key, reason from trials where state = 'failed'")
    assert [key for key, _ in failed] == [folder.name]
    assert f"the checkpoint in {folder} belongs to trial {other}, not to {folder.name}" in failed[0][1]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (folder.parent / other).iterdir()
    }
    shutil.rmtree(folder)
    aside.rename(folder)
    disturbed.launch_to_the_end()
    disturbed.assert_like_calm()
    disturbed.keep(
        GROUP, "that of another trial in its place", "refused: the trial fails with a sentence that names the folder "
        "and both, the others complete; with its own back in place the same command goes on",
    )  # fmt: skip
