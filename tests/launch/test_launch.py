"""A study from launch to export, relaunched and extended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.launch.conftest import TINY, TINY_TRIALS, Place


def test_every_trial_is_in_the_ledger_with_every_epoch(finished: Place) -> None:
    assert finished.rows("select state, count(*) from trials group by state") == [("completed", TINY_TRIALS)]
    assert finished.rows("select count(*), count(distinct trial_key) from reports") == [(TINY_TRIALS * 4, TINY_TRIALS)]


def test_every_trial_is_one_child_run_below_its_cell_in_mlflow(
    finished: Place, runs_per_key: Callable[[Place], list[int]]
) -> None:
    assert runs_per_key(finished) == [1] * (TINY_TRIALS + 4)
    parents = finished.mlflow("select count(distinct value), count(*) from tags where key = 'mlflow.parentRunId'")
    assert parents == [(4, TINY_TRIALS)]
    assert finished.mlflow("select distinct status from runs") == [("FINISHED",)]
    assert finished.mlflow("select distinct value from tags where key = 'study.state'") == [("completed",)]


def test_mlflow_has_each_metric_once_per_epoch_with_the_ledgers_values(finished: Place) -> None:
    points = finished.mlflow("select count(*), count(distinct run_uuid || step) from metrics where key = 'train_loss'")
    assert points == [(TINY_TRIALS * 4, TINY_TRIALS * 4)]
    ledger = {
        (key, epoch): value
        for key, epoch, value in finished.rows(
            "select trial_key, epoch, json_extract(metrics, '$.val_accuracy_noisy') from reports"
        )
    }
    shown = finished.mlflow(
        "select t.value, m.step, m.value from metrics m join tags t using (run_uuid) "
        "where t.key = 'study.key' and m.key = 'val_accuracy_noisy'"
    )
    assert {(key, step): value for key, step, value in shown} == ledger


def test_every_cells_run_has_the_manifest_of_its_noise_and_its_picture(finished: Place) -> None:
    artifacts = finished.home / "mlflow-artifacts"
    manifests = [json.loads(path.read_text()) for path in artifacts.rglob("noise.json")]
    assert sorted(manifest["requested_rate"] for manifest in manifests) == [0.0, 0.0, 0.4, 0.4]  # two families
    trained_on = {json.loads(facts)["noise_digest"] for (facts,) in finished.rows("select facts from trials")}
    assert {manifest["digest"] for manifest in manifests} <= trained_on
    assert len(list(artifacts.rglob("noise.png"))) == 2


def test_launching_a_finished_study_runs_nothing_and_says_so(finished: Place) -> None:
    before = finished.rows("select trial_key, attempts from trials order by trial_key")
    started = time.monotonic()
    said = finished.run("launch", "tiny.yaml").stdout
    assert "no trial was run" in said
    assert time.monotonic() - started < 15
    assert finished.rows("select trial_key, attempts from trials order by trial_key") == before


def test_an_exported_config_retrains_to_exactly_its_validation_score(finished: Place) -> None:
    finished.run("export", "tiny", "--out", "best")
    files = sorted(path.name for path in (finished.root / "best").glob("*.yaml"))
    assert files == ["ce-clean.yaml", "ce-uniform-0.4.yaml", "tce-clean.yaml", "tce-uniform-0.4.yaml"]
    for file in files:
        retrained = finished.json("train", f"best/{file}")
        assert retrained["equal"], retrained


def test_exported_weights_score_what_the_export_says(finished: Place) -> None:
    import numpy as np
    import torch
    from safetensors.torch import load_file

    from study.export import read_export
    from trainables.data.task import load_task
    from trainables.models import make_model

    finished.run("export", "tiny", "--out", "weights")
    exported = read_export(finished.root / "weights" / "tce-uniform-0.4.yaml")
    trial = exported["trial"]
    data = load_task(trial["dataset"], trial["split"], trial["noise"], finished.home / ".cache")
    net = make_model(**trial["model"], image_shape=data.pool.image_shape, num_classes=10, seed=0)
    weights = load_file(finished.root / "weights" / exported["weights"]["file"])
    net.load_state_dict(weights)
    mean, deviation = data.pixel_statistics
    images = torch.tensor(data.pool.images[data.val_index]) / 255
    images = (images - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(deviation).view(-1, 1, 1)
    predicted, labels = net.eval()(images.float()).argmax(1).numpy(), data.noisy_labels[data.val_index]
    assert (predicted == labels).mean() == pytest.approx(exported["exported"]["score"], abs=1e-6)
    confusion = np.loadtxt(finished.root / "weights" / "tce-uniform-0.4.confusion.csv", delimiter=",", dtype=int)
    expected = np.zeros((10, 10), dtype=int)
    np.add.at(expected, (labels, predicted), 1)
    assert np.array_equal(confusion, expected)


def test_status_list_and_sync_speak_json(finished: Place) -> None:
    status = finished.json("status", "tiny")
    assert status["states"] == {"completed": TINY_TRIALS}
    assert [row["n"] for row in status["comparison"]] == [2, 2, 2, 2]
    assert finished.json("list")[0]["trials"] == TINY_TRIALS
    assert finished.json("sync", "tiny")["trials"] == 0
    assert finished.json("launch", "tiny.yaml", "--dry-run")["missing"] == 0


@pytest.mark.slow
def test_added_families_and_repeats_run_only_the_new_trials(
    place: Place, runs_per_key: Callable[[Place], list[int]]
) -> None:
    place.run("launch", "tiny.yaml", "--set", "search.repeats=1")
    before = dict(place.rows("select trial_key, attempts from trials"))
    place.write(TINY.replace("  - ce\n", "  - ce\n  - {family: mcel, space: {epsilon: 0.2}}\n"))
    place.run("launch", "tiny.yaml")
    after = dict(place.rows("select trial_key, attempts from trials"))
    assert len(before) == 6
    assert len(after) == 16
    assert set(after.values()) == {1}
    assert runs_per_key(place) == [1] * (16 + 6)


@pytest.mark.slow
def test_a_family_taken_away_leaves_the_tables_and_best_and_is_counted(place: Place) -> None:
    short = ("--set", "training.epochs=1", "--set", "search.repeats=1", "--set", "noise.rate=0")
    place.run("launch", "tiny.yaml", *short)
    best = place.home / "tiny" / "best"
    (best / "mine.yaml").write_text("a file of the user's\n")
    assert (best / "tce.safetensors").is_file()
    fewer = place.json("launch", "tiny.yaml", *short, "--set", "families=[ce]")
    assert fewer["ran"] == {}
    assert fewer["out_of_scope"] == 2
    assert sorted(path.name for path in best.iterdir()) == [
        "ce.confusion.csv",
        "ce.md",
        "ce.safetensors",
        "ce.yaml",
        "mine.yaml",
    ]
    assert place.json("status", "tiny")["out_of_scope"] == 2
    assert "2 trials are out of scope" in place.run("status", "tiny").stdout


def test_asha_stops_configs_of_a_cell_and_never_repeats_them(place: Place) -> None:
    place.run(
        "launch", "tiny.yaml", "--set", "scheduler={name: asha, grace_epochs: 1, reduction: 2}",
        "--set", "search={name: random, configs: 6, repeats: 2}",
        "--set", "training.optimizer.lr={loguniform: [1e-5, 0.1]}", "--set", "noise.rate=0",
    )  # fmt: skip
    stopped = place.rows("select config_key, repeat, epoch, reason from trials where state = 'stopped_early'")
    assert stopped
    assert {repeat for _, repeat, _, _ in stopped} == {0}
    assert {epoch for _, _, epoch, _ in stopped} <= {1, 2}
    assert all("val_accuracy_noisy" in reason for _, _, _, reason in stopped)
    again = place.rows("select count(*) from trials where config_key in "
                       "(select config_key from trials where state = 'stopped_early') and repeat > 0")  # fmt: skip
    assert again == [(0,)]
    assert {row for (row,) in place.mlflow("select value from tags where key = 'study.state'")} == {
        "completed",
        "stopped_early",
    }


@pytest.mark.slow
def test_delete_removes_folder_and_experiment_and_the_name_is_free_again(place: Place) -> None:
    short = ("--set", "training.epochs=1", "--set", "search.repeats=1", "--set", "noise.rate=0")
    place.run("launch", "tiny.yaml", *short)
    place.run("delete", "tiny", "--yes")
    assert not Path(place.home / "tiny").exists()
    assert place.json("list") == []
    place.run("launch", "tiny.yaml", *short)
    names = place.mlflow("select name, lifecycle_stage from experiments where name like 'tiny%' order by name")
    assert names[0] == ("tiny", "active")
    assert names[1][1] == "deleted"
