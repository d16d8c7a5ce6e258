"""A study comes home whole, in pieces, and never in the place of another or of one that is newer."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.lock import WriterLock
from study.records.paths import Home
from study.remote import head, jobs
from study.remote.archive import Manifest, Packed, pack, unpack
from study.remote.framing import unframed
from study.remote.pull import Pulled, pull
from study.spec.study_file import parse_spec
from study.spec.yaml_file import parse_document
from tests.study.conftest import SMALL, Driver

ROWS = "SELECT trial_key, epoch, metrics FROM reports ORDER BY trial_key, epoch"


def launch(home: Home, cache: Path, *, dies_after: int | None = None) -> None:
    """Drive the study `small` in `home`, with training left out; exports and a report are made up."""
    paths = home.study("small")
    paths.best.mkdir(parents=True, exist_ok=True)
    spec = parse_spec(parse_document(SMALL, "small.yaml"))
    Driver(paths.ledger, cache).launch(spec, dies_after=dies_after)
    paths.study_file.write_text(SMALL)
    (paths.best / "ce-clean.yaml").write_text("family: ce\n")
    (paths.best / "ce-clean.safetensors").write_bytes(os.urandom(50_000))
    paths.report.mkdir(exist_ok=True)
    (paths.report / "report.html").write_text("<p>report</p>")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Home:
    home = Home(tmp_path_factory.mktemp("launched"))
    launch(home, cache)
    return home


@pytest.fixture
def there(tmp_path: Path, launched: Home) -> Home:
    home = Home(tmp_path / "there")
    shutil.copytree(launched.root, home.root)
    return home


@pytest.fixture
def here(tmp_path: Path) -> Home:
    return Home(tmp_path / "here")


Wire = Callable[..., Pulled]


@pytest.fixture
def wire(there: Home, here: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """`pull`, with what a head would run run in this process; `garble` may change the log of a job."""

    def run(garble: Callable[[str], str] = lambda log: log, **options: Any) -> Pulled:
        def asked(_: Any, *words: str) -> jobs.Answer:
            out = io.StringIO()
            with (
                contextlib.redirect_stdout(out),
                mock.patch.dict(os.environ, {"STUDY_HOME": str(there.root)}),
            ):
                head.main(words)
            log = garble(out.getvalue())
            payload = unframed("answer", log)
            assert payload is not None
            return jobs.Answer(**json.loads(zlib.decompress(payload)), log=log)

        monkeypatch.setattr(jobs, "ask_raw", asked)
        return pull(mock.Mock(address="http://head:8265"), "small", here, **options)

    yield run
    assert not list(here.root.glob(".pull-*"))


def rows(home: Home, query: str = ROWS) -> list[Any]:
    with contextlib.closing(sqlite3.connect(home.study("small").ledger)) as connection:
        return connection.execute(query).fetchall()


def test_everything_but_checkpoints_comes_home_equal(wire: Wire, there: Home, here: Home) -> None:
    pulled = wire()

    assert not pulled.renewed
    assert rows(here) == rows(there)
    files = ("study.yaml", "best/ce-clean.yaml", "best/ce-clean.safetensors", "report/report.html")
    for name in files:
        assert (here.study("small").root / name).read_bytes() == (there.study("small").root / name).read_bytes()
    with Ledger(here.study("small").ledger) as ours, Ledger(there.study("small").ledger) as theirs:
        assert ours.identity() == theirs.identity()


def test_a_large_one_comes_in_pieces_and_leaves_nothing_on_the_head(
    wire: Wire, there: Home, here: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "PIECE_BYTES", 10_000)
    heard: list[tuple[int, int]] = []

    pulled = wire(say=lambda done, of: heard.append((done, of)))

    assert len(heard) == -(-pulled.bytes // 10_000) > 5
    assert heard[-1] == (pulled.bytes, pulled.bytes)
    assert rows(here) == rows(there)
    assert not list(there.outgoing.iterdir())


def test_weights_stay_where_they_are_not_wanted(wire: Wire, here: Home) -> None:
    wire(weights=False)

    assert [path.name for path in here.study("small").best.iterdir()] == ["ce-clean.yaml"]


def test_checkpoints_of_the_best_configs_come_where_they_are_asked_for(wire: Wire, there: Home, here: Home) -> None:
    paths = there.study("small")
    with Ledger(paths.ledger) as ledger:
        keys = sorted(ledger.trials())
    for key in keys:
        paths.checkpoint(key).mkdir(parents=True)
        (paths.checkpoint(key) / "manifest.json").write_text(key)

    wire(checkpoints=True)

    found = sorted(path.name for path in (here.study("small").root / "checkpoints").iterdir())
    assert len(found) == 8  # two families and two noise rates, two repeats each
    assert set(found) < set(keys)


def test_a_study_that_is_being_written_comes_as_it_is_at_one_instant(wire: Wire, there: Home, here: Home) -> None:
    with Ledger(there.study("small").ledger, write=True) as writer:
        writer.record_event("test", "in the log, and not yet in the file")
        wire()

    assert rows(here, "SELECT message FROM events")[-1] == ("in the log, and not yet in the file",)


def test_pulling_again_renews_an_older_copy(wire: Wire, there: Home, here: Home, cache: Path) -> None:
    shutil.rmtree(there.root)
    launch(there, cache, dies_after=4)
    wire()
    before = len(rows(here))
    launch(there, cache)
    (there.study("small").best / "ce-clean.yaml").unlink()

    assert wire().renewed
    assert before < len(rows(here)) == len(rows(there))
    assert not list(here.study("small").best.glob("*.yaml"))


def test_another_study_of_the_name_is_not_overwritten(wire: Wire, here: Home, cache: Path) -> None:
    launch(here, cache, dies_after=4)
    before = rows(here)

    with pytest.raises(StudyError, match=r"another study of the same name; pull with --to DIR"):
        wire()
    assert rows(here) == before


def test_a_copy_that_went_on_here_is_not_overwritten(wire: Wire, there: Home, here: Home, cache: Path) -> None:
    shutil.rmtree(there.root)
    launch(there, cache, dies_after=4)
    wire()
    launch(here, cache)
    before = rows(here)

    with pytest.raises(StudyError, match=r"has 1 launches that the other has not"):
        wire()
    assert rows(here) == before


def test_a_copy_that_runs_here_is_left_alone(wire: Wire, here: Home) -> None:
    wire()

    with WriterLock(here.study("small").lock, "study launch"), pytest.raises(StudyError, match="is being written by"):
        wire()


def test_a_folder_that_is_no_study_is_left_alone(wire: Wire, here: Home) -> None:
    here.study("small").root.mkdir(parents=True)
    (here.study("small").root / "notes.txt").write_text("mine")

    with pytest.raises(StudyError, match="in the way and holds no study"):
        wire()
    assert (here.study("small").root / "notes.txt").read_text() == "mine"


def test_damage_on_the_way_changes_nothing(wire: Wire, here: Home) -> None:
    with pytest.raises(StudyError, match=r"piece 1 of the archive is damaged: .*; pull again"):
        wire(lambda log: log.replace("study:piece:end:", "study:piece:end:1", 1))
    assert not here.names()


def test_an_unknown_study_is_refused_by_the_head(wire: Wire, there: Home, here: Home) -> None:
    there.study("small").root.rename(there.root / "other")

    with pytest.raises(StudyError, match="on the head: unknown study 'small'"):
        wire()
    assert not here.names()


def test_one_too_large_for_logs_says_what_to_leave_out(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "MOST_BYTES", 1000)

    with pytest.raises(StudyError, match="say --no-weights, or copy its folder"):
        wire()


def test_a_changed_archive_is_found(there: Home, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    manifest = pack(there.study("small"), archive, weights=True, checkpoints=False)
    whole = bytearray(archive.read_bytes())
    whole[len(whole) // 2] ^= 1
    archive.write_bytes(whole)

    with pytest.raises(StudyError, match="another hash than what was sent"):
        unpack(archive, manifest, tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil", "best/../../evil", "/tmp/evil", "best", "writer.lock", "other/file"])
def test_no_archive_writes_outside_a_study(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(zlib.compress(b"evil"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    evil = Packed(name, 4, hashlib.sha256(b"evil").hexdigest())

    with pytest.raises(StudyError, match="which is no file of a study"):
        unpack(archive, Manifest("small", "id", (evil,), archive.stat().st_size, digest), tmp_path / "out")
    assert not list(tmp_path.glob("evil"))
