"""Images on their way into a network: ours against a torch DataLoader with torchvision's transforms, images/s.

    python -m benchmarks.pipeline                    50,000 images of 3 x 32 x 32, made up
    python -m benchmarks.pipeline --images 2000      a smoke test

    ours     index, shift by 4, mirror, normalise by channel: the source and the augmentation of a training program,
             one thread and no other process, as in a study's trial
    loader   DataLoader over PIL images, RandomCrop(32, padding=4), RandomHorizontalFlip, ToTensor, Normalize, 2 workers

One epoch each, in a random order, batches of 128; the two take turns and the fastest of `--repeats` epochs counts. The
workers' start is not counted: the loader's clock runs from its second batch on. Nothing is done with the batches; on a
GPU they lie there in the end, the loader's through pinned memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.machine import describe_run, headline, write_json
from trainables.augmentation import resolve_augment
from trainables.data.datasets import Images
from trainables.data.store import cached_arrays
from trainables.data.task import TaskData
from trainables.engine.augmenting import LaneAugmentation
from trainables.engine.lane import Lane
from trainables.engine.sources import make_source
from trainables.losses import make_loss

BATCH = 128
WORKERS = 2
GOAL = 5.0
Epoch = Callable[[], Iterator[Tensor]]


def made_up(count: int, folder: Path) -> TaskData:
    """Images of CIFAR's shape, mapped from disk as a study's are; all but ten are for training."""
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    arrays, _ = cached_arrays(folder / "pool", lambda: ({"images": images}, {}))
    labels, index = np.zeros(count, dtype=np.int64), np.arange(count)
    pool = Images("made up", arrays["images"], labels, ("a", "b"), "made up")
    return TaskData(pool, index[10:], index[:10], labels, "split", "noise", {}, folder)


def ours(data: TaskData, device: torch.device) -> Epoch:
    """An epoch of one lane's images."""
    source = make_source(data, "channel", device, torch.float32)
    labels = torch.zeros(source.num_train, dtype=torch.long)
    training = {"augment": resolve_augment("standard", "cifar10")}
    lane = Lane("lane", make_loss("ce", num_classes=2), training, 0, 0, labels, labels[:10], labels, labels[:10])
    augmentation = LaneAugmentation([lane], source.image_shape, device)

    def epoch() -> Iterator[Tensor]:
        augmentation.begin([0], source.num_train)
        orders = torch.randperm(source.num_train)[None]
        for _, images in source.train_batches(orders, BATCH, augmentation):
            yield images

    return epoch


class PILImages(Dataset[Tensor]):
    """Images as torchvision's data sets give them, transformed."""

    def __init__(self, data: TaskData) -> None:
        mean, deviation = (values.tolist() for values in data.pixel_statistics)
        self.images = np.ascontiguousarray(data.pool.images[data.train_index].transpose(0, 2, 3, 1))
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, deviation),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        from PIL import Image

        result: Tensor = self.transform(Image.fromarray(self.images[index]))
        return result


def loader(data: TaskData, device: torch.device) -> Epoch:
    """The same by a DataLoader, its workers kept from epoch to epoch."""
    batches: DataLoader[Tensor] = DataLoader(
        PILImages(data), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True,
        pin_memory=device.type == "cuda",
    )  # fmt: skip

    def epoch() -> Iterator[Tensor]:
        for images in batches:
            yield images.to(device, non_blocking=True)

    return epoch


def images_per_second(epoch: Epoch, device: torch.device) -> float:
    """The pace of one epoch from its second batch on."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    batches = epoch()
    next(batches)
    wait()
    began, count = time.perf_counter(), 0
    for images in batches:
        count += images.numel() // (3 * 32 * 32)
    wait()
    return count / (time.perf_counter() - began)


def measure(data: TaskData, device: torch.device, repeats: int) -> dict[str, Any]:
    """Images a second of both on one device, and their ratio."""
    ways = {"ours": ours(data, device), "loader": loader(data, device)}
    paces: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, epoch in ways.items():
            paces[name].append(images_per_second(epoch, device))
    best = {name: max(values) for name, values in paces.items()}
    return {"device": device.type, "paces": paces, **best, "ratio": best["ours"] / best["loader"]}


def main() -> None:
    """Measure on every device, print and keep the paces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000, help="how many images")
    parser.add_argument("--repeats", type=int, default=3, help="epochs of each; the fastest counts")
    parser.add_argument("--lines", action="store_true", help="print a line of JSON for each device instead")
    parser.add_argument("--json", type=Path, help="write raw results here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = describe_run() | {"threads": torch.get_num_threads(), "images": arguments.images, "goal": GOAL}
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    with tempfile.TemporaryDirectory() as folder:
        data = made_up(arguments.images, Path(folder))
        rows = [measure(data, torch.device(device), arguments.repeats) for device in devices]
    if arguments.lines:
        print("\n".join(map(json.dumps, rows)))
        return
    print(headline(facts))
    print("| device | ours, images/s | DataLoader, images/s | ratio |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['device']} | {row['ours']:,.0f} | {row['loader']:,.0f} | {row['ratio']:.1f} |")
    write_json(arguments.json, {"facts": facts, "rows": rows})


if __name__ == "__main__":
    main()
