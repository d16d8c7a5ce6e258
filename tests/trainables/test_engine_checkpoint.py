"""A lane on disk: whatever happens to the files, the newest state that verifies is what one gets back."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file

from trainables.engine import checkpoint_files as checkpoint
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.checkpoint_files import CorruptCheckpointError, network_weights
from trainables.engine.lane import Lane, LaneState
from trainables.engine.lanes import LaneArray
from trainables.trial import Trial


def state_at(epoch: int, best_epoch: int | None = None) -> LaneState:
    best_epoch = epoch if best_epoch is None else best_epoch
    generator, best = torch.Generator().manual_seed(epoch), torch.Generator().manual_seed(1000 + best_epoch)
    last = {
        "network.weight": torch.randn(5, 3, generator=generator),
        "network.count": torch.tensor(epoch),
        "optimizer.momentum.weight": torch.randn(5, 3, generator=generator, dtype=torch.float64),
    }
    history = [{"val_loss": 1 / (i + 1), "train_loss": math.nan} for i in range(epoch)]
    return LaneState(epoch, last, {"network.weight": torch.randn(5, 3, generator=best)}, best_epoch, 0.5, history)


def assert_same_state(ours: LaneState, expected: LaneState) -> None:
    assert (ours.epoch, ours.best_epoch, ours.best_value) == (
        expected.epoch,
        expected.best_epoch,
        expected.best_value,
    )
    assert repr(ours.history) == repr(expected.history)  # repr, because NaN differs from itself
    for found, wanted in ((ours.last, expected.last), (ours.best, expected.best)):
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert found[name].dtype == wanted[name].dtype
            assert torch.equal(found[name], wanted[name])


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def delete(path: Path) -> None:
    path.unlink()


damages = pytest.mark.parametrize("damage", [truncate, flip_a_bit, delete])


def test_checkpoint_brings_back_every_bit(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "new" / "folder", "a", state_at(3, best_epoch=2))
    restored = read_checkpoint(tmp_path / "new" / "folder", "a")
    assert_same_state(restored.state, state_at(3, best_epoch=2))
    assert restored.warnings == ()


def test_folder_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path, "a") is None
    assert read_checkpoint(tmp_path / "missing", "a") is None


def test_two_generations_are_kept_and_no_more(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        write_checkpoint(tmp_path, "a", state_at(epoch, best_epoch=min(epoch, 2)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best-00002.safetensors", "last-00004.safetensors", "last-00005.safetensors", "manifest.json",
    ]  # fmt: skip
    assert_same_state(read_checkpoint(tmp_path, "a").state, state_at(5, best_epoch=2))


@damages
@pytest.mark.parametrize("file", ["last-00002.safetensors", "best-00002.safetensors"])
def test_damaged_newest_generation_falls_back_to_the_one_before_and_says_so(
    tmp_path: Path, damage: Callable[[Path], None], file: str
) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    write_checkpoint(tmp_path, "a", state_at(2))
    damage(tmp_path / file)
    restored = read_checkpoint(tmp_path, "a")
    assert_same_state(restored.state, state_at(1))
    assert len(restored.warnings) == 1
    assert restored.warnings[0].startswith("checkpoint of epoch 2 is unusable: ")
    assert file in restored.warnings[0]


@damages
def test_damage_to_both_generations_is_an_error_that_names_both(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    write_checkpoint(tmp_path, "a", state_at(2))
    for epoch in (1, 2):
        damage(tmp_path / f"last-0000{epoch}.safetensors")
    with pytest.raises(CorruptCheckpointError, match=r"epoch 2 is unusable.*; checkpoint of epoch 1 is unusable"):
        read_checkpoint(tmp_path, "a")


@pytest.mark.parametrize(
    "text", [b"", b'{"format": 1, "key": "a", "gener', b"\xff\xfe", b"[]", b"{}", b'{"format": 1, "key": "a"}'],
    ids=["empty", "truncated", "not text", "a list", "no key", "no generations"],
)  # fmt: skip
def test_unreadable_manifest_is_an_error_on_reading_and_replaced_on_writing(tmp_path: Path, text: bytes) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(CorruptCheckpointError, match=r"manifest\.json"):
        read_checkpoint(tmp_path, "a")
    write_checkpoint(tmp_path, "a", state_at(1))  # a trial that started again must be able to save
    assert_same_state(read_checkpoint(tmp_path, "a").state, state_at(1))


def test_checkpoint_of_another_trial_is_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    with pytest.raises(ValueError, match="belongs to trial a, not to b"):
        read_checkpoint(tmp_path, "b")


class Crash(BaseException):
    """Nothing on the way may catch it, as nothing catches a power cut."""


@pytest.mark.parametrize("replacements_before", [0, 1, 2])
def test_crash_between_files_leaves_the_generation_before_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replacements_before: int
) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    write_checkpoint(tmp_path, "a", state_at(2))
    left, replace = [None] * replacements_before, os.replace

    def crashing(source: Path, target: Path) -> None:
        if not left:
            raise Crash
        left.pop()
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.os, "replace", crashing)
        with pytest.raises(Crash):
            write_checkpoint(tmp_path, "a", state_at(3))
    restored = read_checkpoint(tmp_path, "a")
    assert_same_state(restored.state, state_at(2))
    assert restored.warnings == ()
    write_checkpoint(tmp_path, "a", state_at(3))
    assert_same_state(read_checkpoint(tmp_path, "a").state, state_at(3))
    assert len(list(tmp_path.iterdir())) == 5


def test_crash_while_cleaning_up_leaves_the_new_generation_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in (1, 2):
        write_checkpoint(tmp_path, "a", state_at(epoch))
    unlink = Path.unlink

    def crashing(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".safetensors":
            raise Crash
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", crashing)
        with pytest.raises(Crash):
            write_checkpoint(tmp_path, "a", state_at(3))
    assert_same_state(read_checkpoint(tmp_path, "a").state, state_at(3))


def test_files_are_json_and_safetensors_and_reading_them_unpickles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    for path in tmp_path.iterdir():
        if path.name == "manifest.json":
            assert json.loads(path.read_text())["generations"][0]["epoch"] == 1
        else:
            assert path.suffix == ".safetensors"
            assert "network.weight" in load_file(path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    assert_same_state(read_checkpoint(tmp_path, "a").state, state_at(1))


def test_pickle_in_place_of_weights_is_refused_though_its_hash_fits(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, "a", state_at(1))
    bomb = io.BytesIO()
    torch.save({"network.weight": torch.zeros(1)}, bomb)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "last-00001.safetensors").write_bytes(bomb.getvalue())
    manifest["generations"][0]["last"]["sha256"] = checkpoint.hashlib.sha256(bomb.getvalue()).hexdigest()
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptCheckpointError, match="checkpoint of epoch 1 is unusable: no safetensors file"):
        read_checkpoint(tmp_path, "a")


@pytest.mark.parametrize("which", ["best", "last"])
def test_network_weights_are_the_state_dict_of_the_epoch_asked_for(tmp_path: Path, which: str) -> None:
    state = state_at(3, best_epoch=2)
    write_checkpoint(tmp_path, "lane", state)
    data, epoch = network_weights(tmp_path, which)
    kept = state.best if which == "best" else state.last
    assert epoch == (state.best_epoch if which == "best" else state.epoch)
    loaded = load(data)
    network = {name.removeprefix("network."): t for name, t in kept.items() if name.startswith("network.")}
    assert loaded.keys() == network.keys()
    assert all(torch.equal(loaded[name], network[name]) for name in network)
    for path in tmp_path.glob(f"{which}-*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ValueError, match="does not match its hash"):
        network_weights(tmp_path, which)


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "tce-clean.safetensors").write_bytes(b"exported")
    for epoch in (1, 2, 3):
        write_checkpoint(tmp_path, "a", state_at(epoch))
    assert (tmp_path / "tce-clean.safetensors").read_bytes() == b"exported"


@pytest.mark.parametrize(("optimizer", "slots"), [("sgd", ["momentum"]), ("adamw", ["mean", "square"])])
def test_checkpoint_of_a_loss_that_learns_nothing_holds_network_memory_and_what_was_counted(
    make_trial: Callable[..., Trial],
    lane_of: Callable[..., tuple[Lane, Trial]],
    make_array: Callable[..., LaneArray],
    optimizer: str,
    slots: list[str],
) -> None:
    array = make_array(lane_of("a", make_trial("mcel", optimizer={"name": optimizer})))
    array.advance()
    state = array.save("a")
    parameters = ["1.weight", "1.bias", "3.weight", "3.bias"]
    memory = {f"optimizer.{slot}.{name}" for slot in slots for name in parameters}
    network = {f"network.{name}" for name in parameters}
    kept = network | {"measured.confusion", "measured.calibration"}
    assert state.best.keys() == kept
    assert state.last.keys() == kept | memory | ({"optimizer.steps"} if optimizer == "adamw" else set())
