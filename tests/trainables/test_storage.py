"""Storage on a file system and on an S3 server: alike, whole, and mistakes in a line."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.s3 import BUCKET, s3_server
from trainables.storage import Storage


@pytest.fixture(scope="module")
def server() -> Iterator[Mapping[str, str]]:
    with s3_server() as variables:
        yield variables


@pytest.fixture(params=["path", "s3"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Storage:
    if request.param == "path":
        return Storage(str(tmp_path / "shared"))
    for name, value in request.getfixturevalue("server").items():
        monkeypatch.setenv(name, value)
    return Storage(f"s3://{BUCKET}/{tmp_path.name}")


def test_what_is_written_is_read_and_replaced(storage: Storage) -> None:
    storage.write("a", b"one")
    storage.write("a", b"two, which is longer")
    assert storage.read("a") == b"two, which is longer"
    storage.write("a", b"")
    assert storage.read("a") == b""


def test_files_and_folders_are_listed_apart(storage: Storage) -> None:
    storage.write("b", b"1")
    storage.write("a", b"1")
    storage.below("deeper", "still").write("c", b"1")
    assert storage.names() == ["a", "b"]
    assert storage.folders() == ["deeper"]
    assert storage.below("deeper").names() == []
    assert storage.below("deeper", "still").read("c") == b"1"


def test_what_is_not_there_is_empty_or_said_to_be_missing(storage: Storage) -> None:
    nowhere = storage.below("nowhere")
    assert nowhere.names() == nowhere.folders() == []
    for ask in (nowhere.read, nowhere.modified):
        with pytest.raises(FileNotFoundError):
            ask("a")


def test_removing_is_done_once_or_not_at_all(storage: Storage) -> None:
    for name in ("a", "b"):
        storage.below("x").write(name, b"1")
    storage.below("x").remove("a")
    storage.below("x").remove("a")
    assert storage.below("x").names() == ["b"]
    storage.below("x").remove_all()
    storage.below("x").remove_all()
    assert storage.below("x").names() == []


def test_what_is_written_later_is_not_older(storage: Storage) -> None:
    storage.write("a", b"1")
    storage.write("b", b"1")
    assert storage.modified("a") <= storage.modified("b")


def test_a_file_that_could_not_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(str(tmp_path / "shared"))
    storage.write("a", b"before")
    system, _ = storage._place

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(system, name)

        def move(self, *_: str) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setitem(storage.__dict__, "_place", (Full(), str(tmp_path / "shared")))
    with pytest.raises(OSError, match="No space"):
        storage.write("a", b"after")
    monkeypatch.undo()
    assert storage.read("a") == b"before"
    assert storage.names() == ["a"]


@pytest.mark.parametrize("uri", ["relative/path", "gs://bucket/x", "s3://", "http://server/x", ""])
def test_what_is_no_place_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"absolute path, or s3://BUCKET/FOLDER"):
        Storage(uri)


def test_credentials_do_not_belong_into_an_address() -> None:
    with pytest.raises(ValueError, match="AWS_ACCESS_KEY_ID") as refused:
        Storage("s3://key:hush@bucket/x")
    assert "hush" not in str(refused.value)


def test_a_server_that_is_away_and_a_bucket_that_is_not_there_are_said(
    server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match="NO_SUCH_BUCKET"):
        Storage("s3://another-bucket/x").write("a", b"1")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(OSError, match="NETWORK_CONNECTION"):
            Storage(f"s3://{BUCKET}/x").write("a", b"1")
