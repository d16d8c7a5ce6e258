"""What a user does with a study once it runs, and once it has ended."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from tests.launch.conftest import TINY, Place


def test_a_finished_study_is_exported_registered_used_and_cleaned(finished: Place) -> None:
    from PIL import Image

    said = finished.json("export", "tiny", "--out", "out", "--format", "json", "--top", "2", "--register")
    assert len(said["files"]) == 2 * (1 + 2)
    assert sorted(said["registered"]["champions"]) == [
        "models:/tiny@champion-clean",
        "models:/tiny@champion-uniform-0-4",
    ]
    assert len(said["registered"]["versions"]) == 4
    registered = finished.mlflow("select alias, version from registered_model_aliases where name = 'tiny'")
    assert sorted(alias for alias, _ in registered) == ["champion-clean", "champion-uniform-0-4"]
    evaluated = finished.json("evaluate", "out/ce-clean.json")
    assert evaluated["images"] == 360
    assert 0 < evaluated["metrics"]["test_accuracy"] <= 1
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(finished.root / "black.png")
    (predicted,) = finished.json("predict", "out/ce-clean.json", "black.png")
    assert [len(predicted["classes"]), predicted["image"]] == [5, "black.png"]
    assert finished.json("gc", "tiny", "--dry-run")["kept"] == 2 * 2 * 2
    for mistake, told in (
        (("export", "tiny", "--register", "--no-weights"), "--register needs weights"),
        (("export", "tiny", "--out", "tiny.yaml"), "cannot be written"),
        (("predict", "out/ce-clean.json", "tiny.yaml"), "not a readable image"),
        (("evaluate", "tiny.yaml"), "not an exported configuration"),
        (("stop", "tiny"), "is not running"),
    ):
        refused = finished.run(*mistake, expect=2)
        assert told in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_running_study_is_stopped_gently_and_only_once(place: Place) -> None:
    place.write(TINY.replace("epochs: 4", "epochs: 400"))
    launch = place.start("launch", "tiny.yaml")
    deadline = time.monotonic() + 120
    while not (place.home / "tiny" / "ledger.db").exists() or not place.rows("select 1 from reports limit 1"):
        assert launch.poll() is None, launch.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    said = json.loads(place.run("stop", "tiny", "--json").stdout)
    assert said["stopped"]
    assert said["states"].get("interrupted")
    assert launch.wait(60) == 130
    launch.communicate()
    assert not (place.home / "tiny" / "stop").exists()
    assert "is not running" in place.run("stop", "tiny", expect=2).stderr
