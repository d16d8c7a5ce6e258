"""A study's copy: taken up where it is ahead, left where it is behind, refused where each has news."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.records.ledger import Ledger
from study.records.paths import StudyPaths
from study.storage import follow, owner
from study.storage.checkpoints import storage_of
from study.storage.follow import CopyFollower
from study.storage.owner import Ownership
from study.storage.study_copy import INDEX, StudyCopy
from tests.study.conftest import Driver, SpecMaker
from trainables.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "storage"))


@pytest.fixture
def study(driver: Driver, make_spec: SpecMaker, tmp_path: Path) -> StudyPaths:
    """A finished one."""
    driver.launch(make_spec(families=["ce"], noise__rate=0.0))
    paths = StudyPaths(tmp_path / "head" / "small")
    paths.root.mkdir(parents=True)
    shutil.copyfile(driver.ledger_path, paths.ledger)
    paths.study_file.write_text("name: small\n")
    return paths


@pytest.fixture
def elsewhere(tmp_path: Path) -> StudyPaths:
    (tmp_path / "other-head").mkdir()
    return StudyPaths(tmp_path / "other-head" / "small")


def append(paths: StudyPaths, key: str) -> None:
    """A launch that has a trial more, which is as one that is there."""
    with Ledger(paths.ledger, write=True) as ledger:
        alike = next(iter(ledger.trials().values()))
        ledger.record_spec(ledger.spec() or {}, {})
        ledger.record_trials([(key, alike.config_key, 9, ledger.trial(alike.key))])


def trials(paths: StudyPaths) -> set[str]:
    with Ledger(paths.ledger) as ledger:
        return set(ledger.trials())


def test_another_head_has_what_the_first_had(study: StudyPaths, elsewhere: StudyPaths, storage: Storage) -> None:
    study.search.write_text("what proposers were told")
    StudyCopy(study, storage).send()
    said = StudyCopy(elsewhere, storage).take_up()
    assert said is not None
    assert storage.below("small").uri in said
    assert trials(elsewhere) == trials(study) != set()
    assert elsewhere.study_file.read_text() == "name: small\n"
    assert elsewhere.search.read_text() == "what proposers were told"


def test_a_head_that_is_level_or_ahead_goes_on_from_its_own(study: StudyPaths, storage: Storage) -> None:
    copy = StudyCopy(study, storage)
    assert copy.take_up() is None  # there is none yet
    copy.send()
    assert copy.take_up() is None
    append(study, "new")
    assert copy.take_up() is None
    assert "new" in trials(study)


def test_an_older_copy_here_is_renewed(study: StudyPaths, elsewhere: StudyPaths, storage: Storage) -> None:
    StudyCopy(study, storage).send()
    StudyCopy(elsewhere, storage).take_up()
    append(elsewhere, "of another head")
    StudyCopy(elsewhere, storage).send()
    assert StudyCopy(study, storage).take_up() is not None
    assert "of another head" in trials(study)


def test_two_that_went_on_apart_are_told_so_and_left_alone(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage
) -> None:
    StudyCopy(study, storage).send()
    StudyCopy(elsewhere, storage).take_up()
    append(elsewhere, "there")
    StudyCopy(elsewhere, storage).send()
    append(study, "here")
    with pytest.raises(StudyError, match="has 1 launches that the other has not") as refused:
        StudyCopy(study, storage).take_up()
    assert "--storage" in str(refused.value)
    assert "here" in trials(study)
    assert "there" not in trials(study)


def test_another_study_of_the_name_is_refused(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage, driver: Driver, make_spec: SpecMaker
) -> None:
    StudyCopy(study, storage).send()
    elsewhere.root.mkdir()
    with Ledger(elsewhere.ledger, write=True):
        pass
    with pytest.raises(StudyError, match="another study of the same name"):
        StudyCopy(elsewhere, storage).take_up()


def test_only_what_changed_travels_and_what_is_old_goes(study: StudyPaths, storage: Storage) -> None:
    copy = StudyCopy(study, storage)
    assert copy.send() > 0
    assert copy.send() == 0
    append(study, "new")
    assert copy.send() > 0
    assert [name.partition("-")[0] for name in copy.place.names()] == ["copy.json", "ledger.db", "study.yaml"]


def test_a_head_that_is_lost_while_it_writes_leaves_the_copy_of_before(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    StudyCopy(study, storage).send()
    before = trials(study)
    append(study, "new")
    write = Storage.write

    def lost(self: Storage, name: str, data: bytes) -> None:
        if name == INDEX:
            raise OSError("the head is gone")
        write(self, name, data)

    with monkeypatch.context() as broken:
        broken.setattr(Storage, "write", lost)
        with pytest.raises(OSError, match="gone"):
            StudyCopy(study, storage).send()
    StudyCopy(elsewhere, storage).take_up()
    assert trials(elsewhere) == before


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda place, held: place.write(held, b"no ledger"), "another hash"),
        (lambda place, held: place.write(INDEX, b"{"), "no list of a copy"),
        (lambda place, held: place.write(INDEX, b'{"format": 1, "files": {}}'), "no list of a copy"),
        (lambda place, held: place.write(INDEX, b'{"format": 9, "files": {}}'), "update it"),
    ],
)
def test_a_damaged_copy_is_said_to_be_and_changes_nothing(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage, harm: Callable[[Storage, str], None], said: str
) -> None:
    copy = StudyCopy(study, storage)
    copy.send()
    held = json.loads(copy.place.read(INDEX))["files"]["ledger.db"]["held"]
    harm(copy.place, held)
    with pytest.raises(StudyError, match=said):
        StudyCopy(elsewhere, storage).take_up()
    assert not elsewhere.root.exists()


def test_exports_are_brought_level_by_their_names(study: StudyPaths, storage: Storage) -> None:
    copy = StudyCopy(study, storage)
    study.best.mkdir()
    for name in ("ce-clean.yaml", "tce-clean.yaml"):
        (study.best / name).write_text("a")
    copy.send_exports()
    (study.best / "tce-clean.yaml").unlink()
    (study.best / "ce-clean.yaml").write_text("b")
    copy.send_exports()
    assert copy.place.below("best").names() == ["ce-clean.yaml"]
    assert copy.place.below("best").read("ce-clean.yaml") == b"b"


def test_a_head_that_lives_is_not_pushed_aside(study: StudyPaths, elsewhere: StudyPaths, storage: Storage) -> None:
    first, second = Ownership(study, storage), Ownership(elsewhere, storage)
    first.check_free()
    first.claim()
    with pytest.raises(StudyError, match=r"is being written by process \d+ on .* heard of \d s ago"):
        second.check_free()
    first.release()
    second.check_free()


def test_a_head_that_is_silent_is_taken_for_dead_and_hears_of_it(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Ownership(study, storage), Ownership(elsewhere, storage)
    first.claim()
    time.sleep(0.05)
    monkeypatch.setattr(owner, "SILENT_S", 0.01)
    second.check_free()
    assert first.lost_to() is None
    second.claim()
    assert "process" in (first.lost_to() or "")
    assert storage.names() == ["owner.json"]  # the probe is gone


def test_who_died_here_is_no_other_head(study: StudyPaths, storage: Storage) -> None:
    Ownership(study, storage).claim()
    Ownership(study, storage).check_free()


@pytest.fixture
def follower(study: StudyPaths, storage: Storage) -> Iterator[tuple[CopyFollower, list[str], list[str]]]:
    lost: list[str] = []
    said: list[str] = []
    follower = CopyFollower(StudyCopy(study, storage), lost.append, said.append, every_s=0.02)
    yield follower, lost, said
    follower.end()


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_copy_follows_the_ledger(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage, follower: tuple[CopyFollower, list[str], list[str]]
) -> None:
    place = StudyCopy(study, storage).place
    follower[0].begin()
    before = place.read(INDEX)
    append(study, "new")
    until(lambda: place.read(INDEX) != before)
    follower[0].end()
    assert "owner.json" not in place.names()
    StudyCopy(elsewhere, storage).take_up()
    assert "new" in trials(elsewhere)


def test_a_storage_that_is_away_is_said_once_and_made_up_for(
    study: StudyPaths,
    storage: Storage,
    follower: tuple[CopyFollower, list[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = StudyCopy(study, storage).place
    follower[0].begin()
    before = place.read(INDEX)

    def away(*_: object) -> None:
        raise OSError("no route")

    with monkeypatch.context() as broken:
        broken.setattr(Storage, "write", away)
        append(study, "new")
        until(lambda: follower[0].problem)
        time.sleep(0.2)
        assert follower[2] == [follower[2][0]]
        assert "no route" in follower[2][0]
    until(lambda: place.read(INDEX) != before)
    until(lambda: follower[0].problem is None)


def test_who_was_taken_over_hears_it_and_writes_no_more(
    study: StudyPaths, elsewhere: StudyPaths, storage: Storage, follower: tuple[CopyFollower, list[str], list[str]]
) -> None:
    place = StudyCopy(study, storage).place
    follower[0].begin()
    Ownership(elsewhere, place).claim()
    until(lambda: follower[1])
    assert "taken over by process" in follower[1][0]
    after = place.read(INDEX)
    append(study, "new")
    follower[0].end()
    assert place.read(INDEX) == after
    assert "owner.json" in place.names()


def test_copies_take_a_small_share_of_the_time(
    study: StudyPaths, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []

    def slow(self: StudyCopy) -> int:
        time.sleep(0.05)
        sent.append(time.monotonic())
        return 0

    monkeypatch.setattr(StudyCopy, "send", slow)
    monkeypatch.setattr(follow, "SHARE", 0.1)
    following = CopyFollower(StudyCopy(study, storage), print, print, every_s=0.01)
    following.begin()
    for number in range(8):
        append(study, f"new-{number}")
        time.sleep(0.1)
    following.end()
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent[1:-1])]
    assert all(gap >= 0.5 for gap in gaps)


def test_a_damaged_note_of_the_storage_is_a_line(study: StudyPaths) -> None:
    study.storage.write_text("no place\n")
    with pytest.raises(StudyError, match=r"storage: 'no place' is no place .* launch again with --storage"):
        storage_of(study)
