"""Ledgers, exports, checkpoints and journals that are damaged: one line with a way out, or a recovery; no traceback."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from study.errors import StudyError
from study.export import export_study, read_export
from study.planning import pilot
from study.records.damage import damage_of
from study.records.ledger import Ledger
from study.report import make
from study.running import launch as launching
from study.spec.yaml_file import parse_document, to_yaml
from tests.study.commands import check_answer, run
from tests.study.conftest import SpecMaker
from tests.study.mutations import FOREIGN, damaged, mutated_text, mutated_values, to_text
from tests.study.spec.test_mutated_studies import examples
from tests.study.trained import Trained, confirm, train
from trainables.engine.checkpoint_files import CorruptCheckpointError, network_weights, read_manifest

SEEDS = st.integers(0, 2**32 - 1)
READERS = (
    *("list", "status small", "compare small", "export small --no-weights", "confirm small", "gc small --dry-run"),
    *("gc small", "launch studies/small/study.yaml --dry-run", "stop small", "delete small --yes --keep-mlflow"),
)
JSON_COLUMNS = (
    *(("specs", "spec"), ("specs", "environment"), ("cells", "facts"), ("configs", "params"), ("trials", "facts")),
    *(("trials", "trial"), ("reports", "metrics"), ("checkpoints", "facts")),
)
PLAIN_COLUMNS = (
    *(("trials", name) for name in ("state", "epoch", "best_epoch", "best_score", "config_key", "repeat", "seconds")),
    *(("trials", name) for name in ("started_at", "ended_at", "launch", "facts")),
    *(("events", "message"), ("events", "time"), ("cells", "phase"), ("cells", "position"), ("configs", "number")),
)
ODD: tuple[Any, ...] = ("x", "", -1, 0, 99, 1e300, b"\xff", "running", "completed", "search", float("inf"), 2**62)
STATEMENTS = (
    *(f"PRAGMA user_version = {version}" for version in (-5, 0, 1, 2, 99)),
    *(f"DROP TABLE {name}" for name in ("trials", "reports", "specs", "cells", "events", "tracking", "oracle")),
    *(f"DELETE FROM {name}" for name in ("specs", "cells", "configs", "reports", "trials")),
    "ALTER TABLE trials RENAME COLUMN facts TO fact",
    "CREATE TRIGGER t BEFORE INSERT ON specs BEGIN SELECT RAISE(ABORT, 'no'); END",
)

Home = Callable[[], Path]


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, make_spec: SpecMaker) -> Trained:
    """A search by TPE with its confirmation and its exports, trained for real; read only."""
    changes: dict[str, Any] = {
        "families": ["ce", {"family": "tce", "space": {"alpha": {"uniform": [0.5, 1.5]}}}],
        "noise__rate": 0.4,
        "training__epochs": 1,
        "training__normalise": "pixel",
        "search": {"name": "tpe", "configs": 2, "repeats": 1},
        "confirm": {"repeats": 2},
    }
    spec = make_spec(**changes)
    searched = train(tmp_path_factory.mktemp("searched"), spec)
    study = confirm(searched, tmp_path_factory.mktemp("studied"), spec)
    values = spec.model_dump(mode="json", exclude_none=True)
    with Ledger(study.paths.ledger, write=True) as ledger:
        ledger.record_spec(values, {"launched_from": str(study.home.root)})
    study.paths.study_file.write_text(to_yaml(values))
    export_study(study.paths, study.paths.best)
    for log in study.paths.root.glob("ledger.db-*"):
        log.unlink()
    return study


@pytest.fixture(scope="module")
def fresh(studied: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes the study anew in the studies' home, and gives its folder; nothing is trained and no cluster started."""
    folder = tmp_path_factory.mktemp("damaged")
    home = folder / "studies"

    def make_anew() -> Path:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(studied.home.root, home)
        return home / "small"

    def refuse_to_run(*_: Any, **__: Any) -> None:
        raise StudyError("it would run now")

    with pytest.MonkeyPatch.context() as patch:
        home.mkdir()
        patch.chdir(folder)
        patch.setenv("STUDY_HOME", str(home))
        patch.setattr(pilot, "_pilot", lambda plan, home, gauge: pilot.Pace.of([0.1]))
        patch.setattr(launching, "run_on_ray", refuse_to_run)
        patch.setattr(make, "DPI", 20)
        yield make_anew


def with_damaged_ledger(folder: Path, random: Random) -> None:
    path = folder / "ledger.db"
    kind = random.randrange(5)
    if kind == 0:
        path.write_bytes(damaged(path.read_bytes(), random))
        return
    if kind == 1:
        (folder / random.choice(("ledger.db-wal", "ledger.db-shm"))).write_bytes(random.choice(FOREIGN))
        return
    with closing(sqlite3.connect(path)) as database:
        if kind == 2:
            database.execute(random.choice(STATEMENTS))
        elif kind == 3:
            table, column = random.choice(PLAIN_COLUMNS)
            database.execute(f"UPDATE {table} SET {column} = ?", (random.choice(ODD),))
        else:
            table, column = random.choice(JSON_COLUMNS)
            texts = [row[0] for row in database.execute(f"SELECT {column} FROM {table}")]
            text = random.choice(texts)
            changed = mutated_values(json.loads(text), random)
            new = random.choice((text[: random.randrange(len(text))], "null", "[]", "3", "", json.dumps(changed)))
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (new, text))
        database.commit()


def any_ledger(fresh: Home, seed: int) -> None:
    random = Random(seed)
    with_damaged_ledger(fresh(), random)
    for command in random.sample(READERS[:-1], 2) + random.choices(READERS[-1:], k=random.randrange(2)):
        check_answer(run(*command.split()))


def with_damaged_export(folder: Path, random: Random) -> Path:
    path = folder / "best" / "tce.yaml"
    text = path.read_text()
    values = parse_document(text, "an export").values
    kind = random.randrange(4)
    if kind == 0:
        path.write_bytes(mutated_text(text, random))
    elif kind == 1:
        path.write_text(to_text(mutated_values(values, random)))
    elif kind == 2:
        path = path.with_suffix(".json")
        path.write_bytes(damaged(json.dumps(values).encode(), random))
    else:
        part, beside = random.choice((("weights", "tce.safetensors"), ("input", "tce.normalisation.safetensors")))
        data = damaged((folder / "best" / beside).read_bytes(), random)
        (folder / "best" / beside).write_bytes(data)
        values[part]["sha256"] = hashlib.sha256(data).hexdigest()
        path.write_text(to_yaml(values))
    return path


def any_export(fresh: Home, seed: int) -> None:
    random = Random(seed)
    folder = fresh()
    path = with_damaged_export(folder, random)
    image = folder / "image.png"
    Image.new("L", (8, 8)).save(image)
    check_answer(run(*random.choice((("evaluate", str(path)), ("predict", str(path), str(image))))))
    if random.random() < 0.1:
        check_answer(run("gc", "small"))


def with_damaged_checkpoint(folder: Path, random: Random) -> Path:
    path = random.choice(sorted((folder / "checkpoints").rglob("*.*")))
    manifest = path.with_name("manifest.json")
    values = json.loads(manifest.read_text())
    data = damaged(path.read_bytes(), random)
    if path == manifest and random.random() < 0.7:
        data = json.dumps(mutated_values(values, random)).encode()
    elif path != manifest and random.random() < 0.6:  # with the hash that belongs to it
        for generation in values["generations"]:
            for part in ("last", "best"):
                if generation[part]["file"] == path.name:
                    generation[part]["sha256"] = hashlib.sha256(data).hexdigest()
        manifest.write_text(json.dumps(values))
    path.write_bytes(data)
    return path.parent


def any_checkpoint(fresh: Home, seed: int) -> None:
    from trainables.engine.checkpoint import read_checkpoint

    random = Random(seed)
    folder = with_damaged_checkpoint(fresh(), random)
    with contextlib.suppress(CorruptCheckpointError, ValueError):  # what a trial starts again from, or is refused by
        found = read_checkpoint(folder, folder.name)
        assert found is None or len(found.state.history) == found.state.epoch
    check_answer(run("export", "small"))


@examples(40)
@given(seed=SEEDS)
def test_any_ledger_is_read_or_refused_in_one_line(fresh: Home, seed: int) -> None:
    any_ledger(fresh, seed)


@examples(40)
@given(seed=SEEDS)
def test_any_exported_file_is_used_or_refused_in_one_line(fresh: Home, seed: int) -> None:
    any_export(fresh, seed)


@examples(30)
@given(seed=SEEDS)
def test_any_checkpoint_is_used_or_passed_over(fresh: Home, seed: int) -> None:
    any_checkpoint(fresh, seed)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@examples(500)
@given(seed=SEEDS)
def test_five_hundred_ledgers_are_read_or_refused_in_one_line(fresh: Home, seed: int) -> None:
    any_ledger(fresh, seed)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@examples(500)
@given(seed=SEEDS)
def test_five_hundred_exported_files_are_used_or_refused_in_one_line(fresh: Home, seed: int) -> None:
    any_export(fresh, seed)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@examples(300)
@given(seed=SEEDS)
def test_three_hundred_checkpoints_are_used_or_passed_over(fresh: Home, seed: int) -> None:
    any_checkpoint(fresh, seed)


# -- what these found, each by name ---------------------------------------------------------------------------------


def changed(folder: Path, statement: str, *values: Any) -> Path:
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        database.execute(statement, values)
        database.commit()
    return folder / "ledger.db"


def test_a_sound_ledger_has_no_damage(fresh: Home) -> None:
    assert damage_of(fresh() / "ledger.db") is None
    assert damage_of(Path("no-such-ledger.db")) is None


@pytest.mark.parametrize(
    ("statement", "command", "expected"),
    [
        ("UPDATE trials SET epoch = x'ff'", "gc small", "trials: epoch = "),
        ("UPDATE trials SET repeat = ''", "export small", 'trials: repeat = "": it should be a valid integer'),
        ("UPDATE trials SET facts = '{'", "compare small", "the ledger is damaged: '{' is no JSON"),
        ("UPDATE configs SET params = ''", "gc small", "the ledger is damaged: '' is no JSON"),
        ('UPDATE reports SET metrics = \'{"val_accuracy_noisy": "x"}\'', "gc small", "reports: metrics.val_accuracy"),
        ("UPDATE cells SET facts = '{}'", "status small", "cells: facts.family is missing"),
        ("UPDATE trials SET trial = '{}'", "launch studies/small/study.yaml", "trials: trial.dataset is missing"),
        ("DELETE FROM reports", "export small", "a trial lacks the report of its best epoch"),
        ("DROP TABLE tracking", "launch studies/small/study.yaml", "it has no table tracking"),
        ("ALTER TABLE trials RENAME COLUMN facts TO fact", "status small", "no such column: facts"),
        ("PRAGMA user_version = -5", "status small", "ledger of format -5"),
    ],
)
def test_a_damaged_ledger_is_named_with_what_is_wrong_and_a_way_out(
    fresh: Home, statement: str, command: str, expected: str
) -> None:
    changed(fresh(), statement)
    said = run(*command.split())
    assert said.code == 2
    check_answer(said)
    assert expected in said.err
    assert "ledger" in said.err


def test_pages_that_are_overwritten_are_damage_and_not_a_full_disk(fresh: Home) -> None:
    path = fresh() / "ledger.db"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\x55" * (len(data) - 8192)
    path.write_bytes(data)
    for command in ("status", "compare", "export", "gc"):
        said = run(command, "small")
        assert said.code == 2
        check_answer(said)
        assert "put a copy of it back, or remove the study with 'study delete --keep-mlflow'" in said.err


def test_the_way_out_of_a_ledger_that_cannot_be_opened_is_one(fresh: Home) -> None:
    root = fresh()
    data = (root / "ledger.db").read_bytes()
    (root / "ledger.db").write_bytes(data[:4096] + b"\x55" * 4096 + data[8192 : len(data) // 2])
    said = run("status", "small")
    check_answer(said)
    assert (said.code, "'study delete --keep-mlflow'" in said.err) == (2, True)
    assert run("delete", "small", "--keep-mlflow", "--yes").code == 0
    assert not root.exists()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("weights",), {"file": "tce.safetensors"}, "weights.sha256 is missing"),
        (("weights", "file"), "\0", "weights.file"),
        (("weights", "file"), "../../ledger.db", "weights.file"),
        (("input", "file"), ".", "input.file"),
        (("exported",), {"epoch": 1}, "exported.score is missing"),
        (("trial", "loss", "family"), {}, "trial.loss.family = {}: it should be a valid string"),
        (("trial", "noise"), {"kind": "uniform", "rate": 0.4}, "trial.noise.seed is missing"),
        (("trial", "dataset"), 0.5, "trial.dataset = 0.5"),
        (("trial", "training", "optimizer", "lr"), {"grid": [0.1]}, "trial.training.optimizer.lr"),
        (("run", "threads"), -1, "run.threads = -1: it should be greater than or equal to 1"),
        (("run", "device"), "meta", "run.device"),
        (("input", "shape"), [1, 10**9, 10**9], "input.shape.1 = 1000000000"),
    ],
)
def test_an_exported_file_that_lacks_something_says_what(
    fresh: Home, path: tuple[str, ...], value: Any, expected: str
) -> None:
    file = fresh() / "best" / "tce.yaml"
    values = parse_document(file.read_text(), "an export").values
    holder = values
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    file.write_text(to_yaml(values))
    with pytest.raises(StudyError, match="export it again") as refused:
        read_export(file)
    assert expected in str(refused.value)


def test_weights_that_are_no_safetensors_are_refused_though_their_hash_fits(fresh: Home) -> None:
    file = fresh() / "best" / "tce.yaml"
    values = parse_document(file.read_text(), "an export").values
    data = b"PK\x03\x04 not tensors"
    file.with_name("tce.safetensors").write_bytes(data)
    values["weights"]["sha256"] = hashlib.sha256(data).hexdigest()
    file.write_text(to_yaml(values))
    said = run("evaluate", str(file))
    assert said.code == 2
    assert "tce.safetensors: no safetensors file" in said.err


def test_a_launch_passes_over_an_export_that_is_no_text(fresh: Home) -> None:
    from study.export import drop_stale
    from study.records.paths import StudyPaths

    folder = fresh()
    (folder / "best" / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    drop_stale(StudyPaths(folder))
    assert (folder / "best" / "mine.yaml").exists()


@pytest.mark.parametrize("what", ["[]", "null", '{"key": "a", "generations": []}', "[" * 50_000])
def test_a_manifest_of_another_shape_is_corrupt(tmp_path: Path, what: str) -> None:
    (tmp_path / "manifest.json").write_text(what)
    with pytest.raises(CorruptCheckpointError, match=r"manifest\.json"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("part", "value"),
    [("epoch", "x"), ("best_epoch", 9), ("history", None), ("history", [1]), ("last", []), ("best", {"file": 3})],
)
def test_a_generation_that_is_not_whole_is_corrupt(fresh: Home, part: str, value: Any) -> None:
    manifest = next(iter(sorted(fresh().glob("checkpoints/*/manifest.json"))))
    values = json.loads(manifest.read_text())
    values["generations"][0][part] = value
    manifest.write_text(json.dumps(values))
    with pytest.raises(CorruptCheckpointError, match="a generation"):
        network_weights(manifest.parent, "best")


@pytest.mark.parametrize("what", [0, 1, 2, 3, 6, 8, 9])
def test_a_foreign_file_in_the_journals_place_is_set_aside(fresh: Home, what: int) -> None:
    folder = fresh()
    (folder / "search.journal").write_bytes(FOREIGN[what] + b"\n")
    said = run("launch", "studies/small/study.yaml", "--set", "search.configs=3")
    assert "it would run now" in said.err
    check_answer(said)
