"""Many lanes as one program against one network at a time: images/s of training, and milliseconds of a lane's epoch.

    python -m benchmarks.lanes                                          on the CPU, one thread
    python -m benchmarks.lanes --images 256 --rounds 1 --lanes 1 4      a smoke test

small   small_cnn, batches of 64 images of 1 x 8 x 8
resnet  ResNet-20, batches of 128 images of 3 x 32 x 32

single  a module, torch.optim.SGD (fused) and a loop
vmap    an array of lanes, by vmap's own rules
folded  the same as studies train: lanes as channels, some lanes at a time, a lone lane channels last

Images are made up, labels too: speed depends on neither. A lane's epoch is one pass over the images and the validation
of a fifth as many. The rows take turns; the fastest of `--rounds` epochs counts. Needs torch and numpy alone. On a GPU:
`python -m benchmarks.gpu`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.lane_work import (
    CLASSES,
    LR,
    MOMENTUM,
    RESNET,
    SMALL,
    WEIGHT_DECAY,
    Setting,
    Workload,
    lane_array,
    lane_loss,
    made_up,
)
from benchmarks.machine import describe_run, headline, write_json
from benchmarks.techniques import by_vmap
from trainables.data.task import TaskData
from trainables.models import make_model

LANES = (1, 2, 4, 8, 16, 32)
MOST_RESNETS = 8  # the cost of a lane stays as it is from there on, and 32 lanes take a minute an epoch

Epoch = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """What was measured of one way; `seconds` of each epoch of all its lanes."""

    workload: str
    way: str
    lanes: int
    images: int
    seconds: list[float]

    @property
    def pace(self) -> float:
        """Training images per second, of all lanes together."""
        return self.images * self.lanes / min(self.seconds)


def single(workload: Workload, data: TaskData) -> Epoch:
    """Epochs as one writes them without a platform, validation with accuracy and loss included."""
    images = (torch.from_numpy(data.pool.images).float() / 255 - 0.5) / 0.25
    labels = torch.from_numpy(data.pool.labels)
    network = make_model(**workload.model, image_shape=workload.shape, num_classes=CLASSES, seed=0)
    loss_of = lane_loss(0).to(torch.float32)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY, fused=True
    )
    train, val = torch.from_numpy(data.train_index), torch.from_numpy(data.val_index)

    def epoch() -> list[float]:
        total = torch.zeros(())
        for batch in train[torch.randperm(len(train))].split(workload.batch):
            loss = loss_of(network(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        with torch.no_grad():
            network.eval()
            logits = torch.cat([network(images[batch]) for batch in val.split(1024)])
            network.train()
        right = (logits.argmax(1) == labels[val]).float().mean()
        return torch.stack([total, right, nn.functional.cross_entropy(logits, labels[val])]).tolist()

    return epoch


def ways_of(workload: Workload, data: TaskData, lanes: list[int]) -> dict[tuple[str, int], Callable[[], Epoch]]:
    """How to make the epochs of each row."""
    ways: dict[tuple[str, int], Callable[[], Epoch]] = {("single", 1): lambda: single(workload, data)}
    for count in lanes:
        setting = Setting(workload, data, count, "cpu", "float32")
        if count > 1:
            ways["vmap", count] = lambda s=setting: by_vmap(lane_array(s)).advance
        ways["folded", count] = lambda s=setting: lane_array(s).advance
    return ways


def timed(epoch: Epoch) -> float:
    """Seconds of one epoch."""
    began = time.perf_counter()
    epoch()
    return time.perf_counter() - began


def measure(workload: Workload, count: int, ways: dict[tuple[str, int], Callable[[], Epoch]], rounds: int) -> list[Row]:
    """A row for every way; one that fails is reported and left out."""
    epochs: dict[tuple[str, int], Epoch] = {}
    for key, make in ways.items():
        try:
            epochs[key] = make()
            epochs[key]()
        except RuntimeError as problem:
            print(f"{workload.name} {key}: {str(problem).splitlines()[0]}")
            epochs.pop(key, None)
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in epochs}
    for _ in range(rounds):
        for key, epoch in epochs.items():
            seconds[key].append(timed(epoch))
    return [Row(workload.name, way, lanes, count, found) for (way, lanes), found in seconds.items()]


def table(rows: list[Row]) -> str:
    """The rows as Markdown, each against the single loop of its workload."""
    lines = ["| workload | way | lanes | ms per lane-epoch | images/s | x single |", "|---|---|---|---|---|---|"]
    for row in rows:
        first = next(each for each in rows if each.workload == row.workload)
        lines.append(
            f"| {row.workload} | {row.way} | {row.lanes} | {min(row.seconds) / row.lanes * 1e3:.1f} "
            f"| {row.pace:,.0f} | {row.pace / first.pace:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1150, help="training images of an epoch of the small network")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each row; the fastest counts")
    parser.add_argument("--lanes", type=int, nargs="+", help="numbers of lanes, instead of the usual ones")
    parser.add_argument("--json", type=Path, help="write raw results here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts = describe_run() | {"threads": 1}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        few = max(RESNET.batch, arguments.images // 8)
        for workload, count, most in ((SMALL, arguments.images, max(LANES)), (RESNET, few, MOST_RESNETS)):
            lanes = [n for n in arguments.lanes or LANES if n <= most]
            data = made_up(workload, count, Path(folder))
            rows += measure(workload, count, ways_of(workload, data, lanes), arguments.rounds)
    print(headline(facts))
    print(table(rows))
    write_json(arguments.json, {"facts": facts, "rows": [asdict(row) | {"images_per_s": row.pace} for row in rows]})


if __name__ == "__main__":
    main()
