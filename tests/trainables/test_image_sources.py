"""Images held on the device and images decoded meanwhile are the same to a program; one copy serves all processes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.lanes import assert_same_lane
from trainables.data.task import TaskData
from trainables.engine import sources, streamed_data
from trainables.engine.device_data import DeviceData
from trainables.engine.lane import Lane
from trainables.engine.lanes import LaneArray
from trainables.engine.session import make_lane
from trainables.engine.sources import make_source
from trainables.engine.streamed_data import StreamedData
from trainables.trial import Trial

CPU = torch.device("cpu")


class ImageFiles:
    """As a data set that is decoded on demand gives its images: by an array of indices, in whatever process asks."""

    def __init__(self, images: np.ndarray) -> None:
        self.kept, self.shape, self.home = np.array(images), images.shape, os.getpid()

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        assert isinstance(index, np.ndarray)
        assert index.ndim == 1
        if len(index) == 13:  # so that a test can make a worker fail
            raise OSError("a file cannot be read")
        return self.kept[index]


@pytest.fixture(scope="module")
def on_demand(digits: TaskData) -> TaskData:
    pool = dataclasses.replace(digits.pool, images=ImageFiles(digits.pool.images))
    return dataclasses.replace(digits, pool=pool)


@pytest.fixture
def make_lanes(make_trial: Callable[..., Trial], digits: TaskData) -> Callable[..., list[Lane]]:
    def make(family: str = "ce") -> list[Lane]:
        lanes = []
        for i, augment in enumerate([[{"name": "shift", "pixels": 1}], [], ["mirror"]]):
            trial = make_trial(family if i == 1 else "ce", seed=i)
            trial["training"] |= {"augment": augment, "normalise": {"name": "channel"}}
            lanes.append(make_lane("abc"[i], trial, digits))
        return lanes

    return make


@pytest.mark.parametrize("width", [1, 3])
def test_streamed_images_train_to_the_same_numbers_to_the_bit(
    width: int, on_demand: TaskData, digits: TaskData, make_lanes: Callable[..., list[Lane]]
) -> None:
    arrays = []
    for data in (digits, on_demand):
        lanes = make_lanes()[:width]
        array = LaneArray(data, {"name": "mlp", "hidden": 8}, lanes[0].training)
        for lane in lanes:
            array.add(lane)
        array.advance()
        array.advance()
        arrays.append(array)
    assert [type(array.data) for array in arrays] == [DeviceData, StreamedData]
    for key in arrays[0].keys:
        assert_same_lane(arrays[1].save(key), arrays[0].save(key), 0)


def as_list(batches: Iterator[tuple[Any, torch.Tensor]]) -> list[torch.Tensor]:
    return [images for _, images in batches]


def test_every_pass_gives_the_same_batches_from_either_source(digits: TaskData, on_demand: TaskData) -> None:
    held, streamed = (make_source(data, "channel", CPU, torch.float64) for data in (digits, on_demand))
    orders = torch.stack([torch.randperm(held.num_train) for _ in range(2)])
    for _ in range(2):  # the second pass finds the workers alive
        for (index, images), (other_index, others) in zip(
            held.train_batches(orders, 100, lambda images, _: images),
            streamed.train_batches(orders, 100, lambda images, _: images),
            strict=True,
        ):
            assert torch.equal(index, other_index)
            assert torch.equal(images, others)
        for name in ("val_batches", "watched_batches"):
            for ours, theirs in zip(*(as_list(getattr(s, name)(300)) for s in (held, streamed)), strict=True):
                assert torch.equal(ours, theirs)


def test_a_pass_that_was_left_early_does_not_reach_into_the_next(on_demand: TaskData) -> None:
    source = make_source(on_demand, "none", CPU, torch.float64)
    next(source.watched_batches(50))
    expected = torch.tensor(on_demand.pool.images.kept[on_demand.val_index]) / 255
    torch.testing.assert_close(torch.cat(as_list(source.val_batches(50))), expected.double(), rtol=0, atol=1e-7)


def test_images_are_decoded_in_other_processes_and_the_global_generator_is_left_alone(on_demand: TaskData) -> None:
    source = make_source(on_demand, "none", CPU, torch.float32)
    state = torch.get_rng_state()
    list(source.val_batches(100))
    assert torch.equal(torch.get_rng_state(), state)
    workers = source.loader._iterator._workers
    assert 1 <= len(workers) <= 4
    assert all(worker.is_alive() and worker.pid != os.getpid() for worker in workers)


def test_a_file_that_cannot_be_read_says_so(on_demand: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_data, "_usable_cores", lambda: 1)  # torch may wait 5 s for each after an error
    source = make_source(on_demand, "none", CPU, torch.float32)
    with pytest.raises(OSError, match="a file cannot be read"):
        list(source.val_batches(13))


def test_an_array_is_streamed_where_it_does_not_fit(digits: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(make_source(digits, "channel", CPU, torch.float32)) is DeviceData
    monkeypatch.setattr(sources, "_room", lambda device: digits.pool.images.nbytes - 1)
    assert type(make_source(digits, "channel", CPU, torch.float32)) is StreamedData


def test_whitened_images_are_streamed_alike(digits: TaskData, monkeypatch: pytest.MonkeyPatch) -> None:
    held = make_source(digits, "zca", CPU, torch.float32)
    monkeypatch.setattr(sources, "_room", lambda device: 0)
    streamed = make_source(digits, "zca", CPU, torch.float32)
    for ours, theirs in zip(as_list(held.val_batches(100)), as_list(streamed.val_batches(100)), strict=True):
        assert torch.equal(ours, theirs)


# -- one copy -----------------------------------------------------------------------------------------------------


def test_batches_are_new_memory_and_images_stay_on_disk_as_they_are(digits: TaskData) -> None:
    source = make_source(digits, "channel", CPU, torch.float32)
    assert source.images.data_ptr() == digits.pool.images.ctypes.data
    assert not digits.pool.images.flags.writeable
    before = np.array(digits.pool.images)
    next(iter(source.val_batches(10)))[1].zero_()
    np.testing.assert_array_equal(digits.pool.images, before)


HOLDER = """
import sys
from pathlib import Path
import numpy as np, torch
from trainables.data.datasets import Images
from trainables.data.store import cached_arrays
from trainables.data.task import TaskData
from trainables.engine.sources import make_source
cache = Path(sys.argv[1])
arrays, _ = cached_arrays(cache / "pool", lambda: sys.exit("not there"))
index = np.arange(len(arrays["images"]))
pool = Images("made up", arrays["images"], index, ("a", "b"), "digest")
data = TaskData(pool, index[1000:], index[:1000], index, "split", "noise", {}, cache)
source = make_source(data, "channel", torch.device("cpu"), torch.float32)
for _, images in source.watched_batches(500): pass
for _, images in source.val_batches(500): pass
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="memory maps are read from /proc")
def test_two_processes_hold_one_copy_of_the_images(tmp_path: Path) -> None:
    from trainables.data.store import cached_arrays

    images = np.random.default_rng(0).integers(0, 256, (20_000, 3, 32, 32), dtype=np.uint8)
    cached_arrays(tmp_path / "pool", lambda: ({"images": images}, {}))
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    root = Path(__file__).parents[2]
    holders = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(2)
    ]
    try:
        assert [holder.stdout.readline() for holder in holders] == ["ready\n"] * 2
        resident, proportional, private = (
            [mapped(holder.pid, field) for holder in holders] for field in ("Rss", "Pss", "Private_Dirty")
        )
    finally:
        for holder in holders:
            holder.communicate(timeout=30)
    assert min(resident) > 0.95 * images.nbytes  # each has read all of them
    assert sum(proportional) < 1.05 * images.nbytes
    assert private == [0, 0]


def mapped(pid: int, field: str) -> int:
    """Bytes of the images' file in a process's memory, by a field of /proc/PID/smaps."""
    ours, total = False, 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name = line.split(":")[0]
        if " " in name.strip() or "-" in name:  # the head of a mapping
            ours = line.endswith("pool/images.npy")
        elif ours and name == field:
            total += int(line.split()[1]) * 1024
    return total
