"""Copies of checkpoints: level, whole, and never in the place of what is newer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainables.test_engine_checkpoint import assert_same_state, flip_a_bit, state_at
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.checkpoint_copies import fetch_checkpoint, send_checkpoint
from trainables.engine.checkpoint_files import CorruptCheckpointError
from trainables.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "there"))


def epoch_of(folder: Path) -> int:
    restored = read_checkpoint(folder, "t")
    assert restored is not None
    return restored.state.epoch


def test_a_copy_read_elsewhere_is_the_checkpoint(tmp_path: Path, storage: Storage) -> None:
    for epoch in (1, 2, 3):
        write_checkpoint(tmp_path / "a", "t", state_at(epoch, best_epoch=min(epoch, 2)))
        send_checkpoint(tmp_path / "a", storage)
    assert storage.names() == sorted(path.name for path in (tmp_path / "a").iterdir())
    fetch_checkpoint(storage, tmp_path / "b")
    restored = read_checkpoint(tmp_path / "b", "t")
    assert restored is not None
    assert not restored.warnings
    assert_same_state(restored.state, state_at(3, best_epoch=2))


def test_only_what_is_new_travels(tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    write = Storage.write
    monkeypatch.setattr(Storage, "write", lambda self, name, data: (sent.append(name), write(self, name, data))[1])
    write_checkpoint(tmp_path / "a", "t", state_at(1))
    send_checkpoint(tmp_path / "a", storage)
    assert sent == ["last-00001.safetensors", "best-00001.safetensors", "manifest.json"]
    sent.clear()
    write_checkpoint(tmp_path / "a", "t", state_at(2, best_epoch=1))
    send_checkpoint(tmp_path / "a", storage)
    assert sent == ["last-00002.safetensors", "manifest.json"]


@pytest.mark.parametrize(("here", "there", "after"), [(2, 3, 3), (3, 2, 3), (None, 2, 2), (2, None, 2)])
def test_the_newer_one_stays(tmp_path: Path, storage: Storage, here: int | None, there: int | None, after: int) -> None:
    if there is not None:
        write_checkpoint(tmp_path / "a", "t", state_at(there))
        send_checkpoint(tmp_path / "a", storage)
    if here is not None:
        write_checkpoint(tmp_path / "b", "t", state_at(here))
    fetch_checkpoint(storage, tmp_path / "b")
    assert epoch_of(tmp_path / "b") == after


def test_nothing_there_leaves_nothing_here(tmp_path: Path, storage: Storage) -> None:
    fetch_checkpoint(storage, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_damaged_copy_falls_back_on_the_epoch_before(tmp_path: Path, storage: Storage) -> None:
    for epoch in (1, 2):
        write_checkpoint(tmp_path / "a", "t", state_at(epoch))
        send_checkpoint(tmp_path / "a", storage)
    flip_a_bit(tmp_path / "there" / "last-00002.safetensors")
    fetch_checkpoint(storage, tmp_path / "b")
    restored = read_checkpoint(tmp_path / "b", "t")
    assert restored is not None
    assert restored.state.epoch == 1
    assert len(restored.warnings) == 1


def test_a_checkpoint_that_is_damaged_here_comes_from_its_copy(tmp_path: Path, storage: Storage) -> None:
    write_checkpoint(tmp_path / "a", "t", state_at(2))
    send_checkpoint(tmp_path / "a", storage)
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(CorruptCheckpointError):
        read_checkpoint(tmp_path / "a", "t")
    fetch_checkpoint(storage, tmp_path / "a")
    assert epoch_of(tmp_path / "a") == 2


def test_a_copy_without_a_manifest_that_can_be_read_is_replaced(tmp_path: Path, storage: Storage) -> None:
    write_checkpoint(tmp_path / "a", "t", state_at(1))
    send_checkpoint(tmp_path / "a", storage)
    storage.write("manifest.json", b"no manifest")
    fetch_checkpoint(storage, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    write_checkpoint(tmp_path / "a", "t", state_at(2))
    send_checkpoint(tmp_path / "a", storage)
    fetch_checkpoint(storage, tmp_path / "b")
    assert epoch_of(tmp_path / "b") == 2


def test_a_manifest_that_names_a_file_elsewhere_reads_none(tmp_path: Path, storage: Storage) -> None:
    write_checkpoint(tmp_path / "a", "t", state_at(1))
    send_checkpoint(tmp_path / "a", storage)
    forged = storage.read("manifest.json").replace(b"last-00001", b"../../last-00001")
    storage.write("manifest.json", forged)
    (tmp_path.parent / "last-00001.safetensors").write_bytes((tmp_path / "a" / "last-00001.safetensors").read_bytes())
    fetch_checkpoint(storage, tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["best-00001.safetensors", "manifest.json"]
    with pytest.raises(CorruptCheckpointError):
        read_checkpoint(tmp_path / "b", "t")
