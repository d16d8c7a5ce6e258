"""What a user may get wrong: one line with value, rule and next step, exit code 2, nothing started or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.launch.conftest import STUDY, TINY, Place

MISTAKES = {
    "unknown family": (TINY.replace("family: tce", "family: tcee"), [], "did you mean 'tce'"),
    "epsilon of one half": (
        TINY.replace("{family: tce, space: {alpha: {grid: [0.5, 1.5]}}}", "{family: mcel, space: {epsilon: 0.5}}"),
        [],
        "outside [0, 0.5)",
    ),
    "negative learning rate": (TINY.replace("lr: 0.05", "lr: -0.05"), [], "tiny.yaml:10: training.optimizer.lr"),
    "empty grid": (TINY.replace("[0.5, 1.5]", "[]"), [], "tiny.yaml:7: families.1.space.alpha: the grid has no points"),
    "data root that does not exist": (
        TINY.replace("dataset: digits", "dataset: {name: digits, root: /no/where}"),
        [],
        "no folder /no/where",
    ),
    "not YAML": ("name: [tiny\nfamilies: {", [], "not YAML"),
    "not a mapping": ("- tiny\n", [], "not a study"),
    "unknown key": (TINY.replace("epochs: 4", "epoch: 4"), [], "did you mean 'epochs'"),
    "no lane at all": (TINY, ["--set", "resources.lanes=0"], "resources.lanes"),
    "more GPUs than there are": (TINY, ["--set", "resources.gpus=64"], "this machine has"),
    "more cores than there are": (TINY, ["--set", "resources.cpus=4096"], "cores"),
    "malformed override": (TINY, ["--set", "training.epochs"], "not KEY=VALUE"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(mistake: str, place: Place) -> None:
    text, arguments, expected = MISTAKES[mistake]
    place.write(text)
    refused = place.run("launch", "tiny.yaml", *arguments, expect=2)
    assert expected in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert refused.stdout == ""
    assert not place.home.exists()


def test_a_file_that_is_not_there_is_named(place: Place) -> None:
    assert "nowhere.yaml" in place.run("launch", "nowhere.yaml", expect=2).stderr
    assert "did you mean 'quickstart'" in place.run("launch", "quikstart", expect=2).stderr


def test_a_folder_that_cannot_be_written_is_named(place: Place) -> None:
    blocked = place.root / "file"
    blocked.write_text("")
    refused = place.run("launch", "tiny.yaml", expect=2, STUDY_HOME=str(blocked / "studies"))
    assert str(blocked) in refused.stderr
    if os.geteuid() != 0:  # root may write everywhere
        place.home.mkdir(mode=0o500)
        assert "cannot be written" in place.run("launch", "tiny.yaml", expect=2).stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("training.epochs=5", "training.epochs = 4, now it is 5"),
        ("dataset.holdout=0.3", "dataset.holdout = 0.2, now it is 0.3"),
        ("seed=1", "seed = 0, now it is 1"),
        ("noise.rate=0.3", "which this file no longer has"),
    ],
)
def test_another_study_of_the_same_name_is_refused_and_the_first_is_untouched(
    change: str, expected: str, finished: Place
) -> None:
    before = _contents(finished.home / "tiny")
    refused = finished.run("launch", "tiny.yaml", "--set", change, expect=2)
    assert expected in refused.stderr
    assert _contents(finished.home / "tiny") == before


def test_mistakes_are_json_where_json_was_asked_for(place: Place) -> None:
    assert "tcee" in place.json("launch", "tiny.yaml", "--set", "families.0=tcee", expect=2)["error"]
    assert "no study" not in place.json("status", "tinny", expect=2)["error"]
    assert "tinny" in place.json("export", "tinny", expect=2)["error"]


def test_help_imports_neither_torch_nor_ray_nor_mlflow(place: Place) -> None:
    import subprocess
    import sys

    script = (
        "import sys; sys.argv = ['study', '--help']\n"
        "from study.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'ray', 'mlflow', 'optuna', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_command_has_help_with_an_example(place: Place) -> None:
    for command in [
        "launch",
        "status",
        "list",
        "stop",
        "report",
        "export",
        "train",
        "evaluate",
        "predict",
        "gc",
        "sync",
        "dashboard",
        "presets",
        "schema",
        "doctor",
        "delete",
        "data list",
        "data check",
        "data fetch",
    ]:
        said = place.run(*command.split(), "--help").stdout
        assert "Example: study " + command in said
        assert "--json" in said
    assert Path(STUDY).is_file()


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }
