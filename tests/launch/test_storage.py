"""A head that is lost: another one, which has nothing but the storage, ends what it began."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.conftest import STUDY, wait_until
from tests.launch.conftest import TINY, TINY_TRIALS, Place
from tests.s3 import BUCKET, s3_server
from trainables.storage import Storage

KEYS = "select trial_key, state, epoch from trials order by trial_key"


@pytest.fixture(scope="module")
def s3() -> Iterator[Mapping[str, str]]:
    with s3_server() as variables:
        yield variables


@pytest.fixture(params=["path", "s3"])
def storage(
    request: pytest.FixtureRequest, s3: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    if request.param == "path":
        return str(tmp_path / "storage")
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def heads(tmp_path: Path) -> tuple[Place, Place]:
    places = Place(tmp_path / "first"), Place(tmp_path / "second")
    for place in places:
        place.root.mkdir()
        place.write(STUDY.replace("epochs: 100", "epochs: 60"))
    return places


def test_another_head_ends_what_a_lost_one_began(heads: tuple[Place, Place], storage: str) -> None:
    first, second = heads
    copy = Storage(storage).below("tiny")
    launch = first.start("launch", "tiny.yaml", "--storage", storage, group=True)
    wait_until(lambda: len(copy.below("checkpoints").folders()) >= 3 or launch.poll() is not None)
    assert launch.poll() is None
    launch.send_signal(signal.SIGKILL)
    launch.communicate()
    time.sleep(1)  # for Ray's own processes, which notice
    shutil.rmtree(first.home)

    waiting = second.run("launch", "tiny.yaml", "--storage", storage, expect=2)
    assert "is being written by process" in waiting.stderr
    copy.remove("owner.json")  # in place of two minutes
    done = second.run("launch", "tiny.yaml", "--storage", storage)
    assert f"going on from the copy in {copy.uri}" in done.stdout
    assert [(state, epoch) for _, state, epoch in second.rows(KEYS)] == [("completed", 60)] * TINY_TRIALS
    assert second.rows("select count(*), count(distinct trial_key || epoch) from reports") == [
        (TINY_TRIALS * 60, TINY_TRIALS * 60)
    ]
    opened = second.rows("select count(*) from events where kind = 'warning'")
    assert opened == [(0,)]
    assert copy.below("best").names() == sorted(path.name for path in (second.home / "tiny" / "best").iterdir())


def test_a_study_is_pulled_from_its_storage_and_reported_on_with_its_checkpoints(
    heads: tuple[Place, Place], storage: str
) -> None:
    first, second = heads
    first.write(TINY)
    first.run("launch", "tiny.yaml", "--storage", storage)
    shutil.rmtree(first.home)
    missing = second.run("pull", "tinny", "--storage", storage, expect=2)
    assert "did you mean 'tiny'?" in missing.stderr
    pulled = second.json("pull", "tiny", "--storage", storage)
    assert not pulled["renewed"]
    assert second.json("pull", "tiny", "--storage", storage)["renewed"]
    assert not (second.home / "tiny" / "checkpoints").exists()
    exported = second.json("export", "tiny", "--out", "out")
    assert not exported["left_out"]
    assert list((second.root / "out").glob("*.safetensors"))
    freed = second.json("gc", "tiny", "--keep", "none")
    assert freed["copies"] == TINY_TRIALS
    assert Storage(storage).below("tiny", "checkpoints").folders() == []
    deleted = second.json("delete", "tiny", "--yes", "--keep-mlflow")
    assert deleted["copy_left"] == Storage(storage).below("tiny").uri


def test_a_storage_is_remembered_until_it_is_taken_back(place: Place, tmp_path: Path) -> None:
    place.write(TINY.replace("epochs: 4", "epochs: 2"))
    copy = Storage(str(tmp_path / "storage" / "tiny"))
    place.run("launch", "tiny.yaml", "--storage", "storage")
    before = copy.read("copy.json")
    place.run("launch", "tiny.yaml", "--set", "search.repeats=3")
    level = copy.read("copy.json")
    assert level != before
    place.run("launch", "tiny.yaml", "--storage", "none", "--set", "search.repeats=4")
    assert copy.read("copy.json") == level
    place.run("launch", "tiny.yaml", "--set", "search.repeats=4")
    assert copy.read("copy.json") == level


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("gs://bucket/x", "--storage: 'gs://bucket/x' is no place to keep a study"),
        ("s3://me:hush@bucket/x", "set AWS_ACCESS_KEY_ID"),
        ("/proc/nowhere", "/proc/nowhere cannot be used"),
    ],
)
def test_a_storage_that_cannot_be_used_is_said_before_anything_runs(place: Place, uri: str, said: str) -> None:
    place.write(TINY)
    done = place.run("launch", "tiny.yaml", "--storage", uri, expect=2)
    assert said in done.stderr
    assert "hush" not in done.stderr
    assert not place.home.joinpath("tiny", "ledger.db").exists() or place.rows("select count(*) from reports") == [(0,)]
