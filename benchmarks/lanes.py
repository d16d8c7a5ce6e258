"""Many lanes as one program against one network at a time: images/s of training, and milliseconds of a lane's epoch.

    python -m benchmarks.lanes                    on the CPU, one thread, and on a GPU where there is one
    python -m benchmarks.lanes --images 256 --rounds 1 --lanes 1 4      a smoke test

small   small_cnn, batches of 64 images of 1 x 8 x 8, on the CPU alone
resnet  ResNet-20, batches of 128 images of 3 x 32 x 32
wide    WRN-28-10, the same images, on a GPU alone

single        a module, torch.optim.SGD (fused) and a loop; on a GPU also in bfloat16, channels last, and that as one
              CUDA graph a step
vmap          an array of lanes, by vmap's own rules
folded        the same as studies train: lanes as channels, some lanes at a time, a lone lane channels last
folded graph  the step of `folded` as one CUDA graph, without what is measured of it

Images are made up, labels too: speed depends on neither. A lane's epoch is one pass over the images and, but for the
graphs, the validation of a fifth as many. The rows take turns; the fastest of `--rounds` epochs counts. Needs torch
and numpy alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import describe_run, headline, write_json
from trainables.data.datasets import Images
from trainables.data.task import TaskData
from trainables.engine.lane import Lane
from trainables.engine.lanes import LaneArray
from trainables.engine.stack import VectorizedStack, gradients
from trainables.losses import make_loss
from trainables.models import make_model

CLASSES = 10
LANES = (1, 2, 4, 8, 16, 32)
LANES_GPU = (1, 2, 4, 8, 16, 32, 64)
MOST_RESNETS_CPU = 8  # the cost of a lane stays as it is from there on, and 32 lanes take a minute an epoch
TERA = 1e12
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0}  # TFLOP/s in bfloat16, dense, as the makers state them
WIDE_FLOP = 6 * 5.2e9  # of training on one image: three times the multiply-adds of WRN-28-10's forward pass

Epoch = Callable[[], object]


@dataclass(frozen=True)
class Workload:
    """A network and the images it trains on."""

    name: str
    model: dict[str, Any]
    shape: tuple[int, int, int]
    batch: int


SMALL = Workload("small", {"name": "small_cnn"}, (1, 8, 8), 64)
RESNET = Workload("resnet", {"name": "resnet_cifar", "depth": 20}, (3, 32, 32), 128)
WIDE = Workload("wide", {"name": "wide_resnet"}, (3, 32, 32), 128)


@dataclass(frozen=True)
class Row:
    """What was measured of one way; `seconds` of each epoch of all its lanes."""

    device: str
    workload: str
    way: str
    lanes: int
    images: int
    seconds: list[float]

    @property
    def pace(self) -> float:
        """Training images per second, of all lanes together."""
        return self.images * self.lanes / min(self.seconds)


def made_up(workload: Workload, count: int, folder: Path) -> TaskData:
    """Images of the workload's shape for training, and a fifth as many for validation."""
    random = np.random.default_rng(0)
    total = count + count // 5
    images = random.integers(0, 256, (total, *workload.shape), dtype=np.uint8)
    labels = random.integers(0, CLASSES, total)
    pool = Images("made up", images, labels, tuple("abcdefghij"), workload.name)
    return TaskData(
        pool, np.arange(count), np.arange(count, total), labels, f"{workload.name}{count}", "noise", {}, folder
    )


def lane_array(workload: Workload, data: TaskData, lanes: int, device: str, precision: str) -> LaneArray:
    """Lanes of TCE whose hyperparameters differ."""
    training = {
        "epochs": 1000,
        "batch_size": workload.batch,
        "precision": precision,
        "clip_norm": None,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
        "schedule": {"name": "cosine"},
    }
    array = LaneArray(data, workload.model, training, device)
    train, val = (torch.from_numpy(data.pool.labels[index]) for index in (data.train_index, data.val_index))
    for seed in range(lanes):
        loss = make_loss("tce", num_classes=CLASSES, alpha=0.5 + seed / 64)
        array.add(Lane(str(seed), loss, training, seed, seed, train, val, train, val))
    return array


def by_vmap(array: LaneArray) -> Epoch:
    """Its epochs by vmap's own rules, all lanes at a time."""
    networks = array.program.networks
    assert isinstance(networks, VectorizedStack)
    networks.layout, networks.images = nullcontext, False
    return array.advance


def single(workload: Workload, data: TaskData, device: str, *, bf16: bool = False) -> Epoch:
    """Epochs as one writes them without a platform, validation with accuracy and loss included."""
    images, labels = normalised(data, device, bf16)
    step, network = plain_step(workload, device, bf16)
    train = torch.from_numpy(data.train_index).to(device)
    val = torch.from_numpy(data.val_index).to(device)

    def epoch() -> list[float]:
        total = torch.zeros((), device=device)
        for batch in train[torch.randperm(len(train)).to(device)].split(workload.batch):
            total += step(images[batch], labels[batch]) * len(batch)
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=bf16):
            network.eval()
            logits = torch.cat([network(images[batch]).float() for batch in val.split(1024)])
            network.train()
        right = (logits.argmax(1) == labels[val]).float().mean()
        return torch.stack([total, right, nn.functional.cross_entropy(logits, labels[val])]).tolist()

    return epoch


def plain_step(workload: Workload, device: str, bf16: bool) -> tuple[Callable[[Tensor, Tensor], Tensor], nn.Module]:
    """One step of SGD that gives the batch's loss, and the network that it trains."""
    network = make_model(**workload.model, image_shape=workload.shape, num_classes=CLASSES, seed=0).to(device)
    if bf16:
        network = network.to(memory_format=torch.channels_last)
    loss_of = make_loss("tce", num_classes=CLASSES, alpha=0.7).to(device, torch.float32)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True
    )

    def step(images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = network(images)
        loss: Tensor = loss_of(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, network


def normalised(data: TaskData, device: str, channels_last: bool) -> tuple[Tensor, Tensor]:
    """All images and labels, on the device."""
    images = (torch.from_numpy(data.pool.images).to(device).float() / 255 - 0.5) / 0.25
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    return images, torch.from_numpy(data.pool.labels).to(device)


def graph_of(step: Callable[[], object]) -> Callable[[], object]:
    """A step as one CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def single_graph(workload: Workload, data: TaskData, device: str) -> Epoch:
    """Steps of whole batches in bfloat16, channels last, each one CUDA graph."""
    images, labels = normalised(data, device, True)
    step, _ = plain_step(workload, device, True)
    batch, wanted = images[: workload.batch].clone(), labels[: workload.batch].clone()
    replay = graph_of(lambda: step(batch, wanted))
    train = torch.from_numpy(data.train_index).to(device)

    def epoch() -> None:
        for index in train[torch.randperm(len(train)).to(device)].split(workload.batch):
            if len(index) == workload.batch:
                batch.copy_(images[index])
                wanted.copy_(labels[index])
                replay()

    return epoch


def lanes_graph(array: LaneArray) -> Epoch:
    """The step of an array's program on whole batches as one CUDA graph, at a fixed learning rate."""
    program, size = array.program, array.program.batch_size
    rate = torch.full((len(array.lanes), 1), 0.01, device=array.device)

    def batches() -> Any:
        return array.data.train_batches(program._orders([0] * len(array.lanes)), size, program.augmentation)

    indices, images = (part.clone() for part in next(iter(batches())))

    def step() -> None:
        losses = program.objective(program._forward(images), program.labels.gather(1, indices), indices)
        (gradient,) = gradients(losses.sum(), [program.networks])
        with torch.no_grad():
            program.bank.step(gradient, rate, program.columns)

    replay = graph_of(step)

    def epoch() -> None:
        for index, batch in batches():
            if index.shape[1] == size:
                indices.copy_(index)
                images.copy_(batch)
                replay()

    return epoch


def cpu_ways(workload: Workload, data: TaskData, lanes: list[int]) -> dict[tuple[str, int], Callable[[], Epoch]]:
    """How to make the epochs of each row on the CPU."""
    ways: dict[tuple[str, int], Callable[[], Epoch]] = {("single", 1): lambda: single(workload, data, "cpu")}
    for count in lanes:
        if count > 1:
            ways["vmap", count] = lambda n=count: by_vmap(lane_array(workload, data, n, "cpu", "float32"))
        ways["folded", count] = lambda n=count: lane_array(workload, data, n, "cpu", "float32").advance
    return ways


def gpu_ways(workload: Workload, data: TaskData, lanes: list[int]) -> dict[tuple[str, int], Callable[[], Epoch]]:
    """How to make the epochs of each row on a GPU; the wide network trains by itself alone."""
    ways: dict[tuple[str, int], Callable[[], Epoch]] = {
        ("single", 1): lambda: single(workload, data, "cuda"),
        ("single bf16", 1): lambda: single(workload, data, "cuda", bf16=True),
        ("single bf16 graph", 1): lambda: single_graph(workload, data, "cuda"),
    }
    for count in lanes if workload is not WIDE else []:
        if count > 1:
            ways["vmap bf16", count] = lambda n=count: by_vmap(lane_array(workload, data, n, "cuda", "bf16"))
        ways["folded bf16", count] = lambda n=count: lane_array(workload, data, n, "cuda", "bf16").advance
        ways["folded bf16 graph", count] = lambda n=count: lanes_graph(lane_array(workload, data, n, "cuda", "bf16"))
    return ways


def timed(epoch: Epoch, device: str) -> float:
    """Seconds of one epoch."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    epoch()
    wait()
    return time.perf_counter() - began


def measure(
    device: str, workload: Workload, count: int, ways: dict[tuple[str, int], Callable[[], Epoch]], rounds: int
) -> list[Row]:
    """A row for every way; one that fails is reported and left out. On a GPU one at a time, for its memory."""
    epochs: dict[tuple[str, int], Epoch] = {}
    seconds: dict[tuple[str, int], list[float]] = {}
    for key, make in ways.items():
        try:
            epochs[key] = make()
            epochs[key]()
            if device == "cuda":
                seconds[key] = [timed(epochs[key], device) for _ in range(rounds)]
                del epochs[key]
                torch.cuda.empty_cache()
        except RuntimeError as problem:
            print(f"{device} {workload.name} {key}: {str(problem).splitlines()[0]}")
            epochs.pop(key, None)
    for _ in range(rounds):
        for key, epoch in epochs.items():
            seconds.setdefault(key, []).append(timed(epoch, device))
    return [Row(device, workload.name, way, lanes, count, found) for (way, lanes), found in seconds.items()]


def table(rows: list[Row]) -> str:
    """The rows as Markdown, each against the single loop of its workload."""
    lines = [
        "| device | workload | way | lanes | ms per lane-epoch | images/s | x single |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first = next(each for each in rows if (each.device, each.workload) == (row.device, row.workload))
        lines.append(
            f"| {row.device} | {row.workload} | {row.way} | {row.lanes} | {min(row.seconds) / row.lanes * 1e3:.1f} "
            f"| {row.pace:,.0f} | {row.pace / first.pace:.2f} |"
        )
    return "\n".join(lines)


def peak_share(rows: list[Row], device_name: str) -> str:
    """What share of the arithmetic peak the best row of the wide network reaches."""
    paces = [row.pace for row in rows if row.workload == WIDE.name]
    peak = next((value for name, value in PEAKS.items() if name in device_name), None)
    if not paces or peak is None:
        return "share of the arithmetic peak, WRN-28-10: not measured"
    return f"share of the arithmetic peak, WRN-28-10: {max(paces) * WIDE_FLOP / TERA / peak:.0%} of {peak:g} TFLOP/s"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1150, help="training images of an epoch of the small network")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each row; the fastest counts")
    parser.add_argument("--lanes", type=int, nargs="+", help="numbers of lanes, instead of the usual ones")
    parser.add_argument("--device", choices=("cpu", "cuda", "both"), default="both", help="where to measure")
    parser.add_argument("--json", type=Path, help="write raw results here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    facts: dict[str, Any] = describe_run() | {"threads": 1, "gpu": "none"}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.device != "cuda":
            few = max(RESNET.batch, arguments.images // 8)
            for workload, count, most in ((SMALL, arguments.images, max(LANES)), (RESNET, few, MOST_RESNETS_CPU)):
                lanes = [n for n in arguments.lanes or LANES if n <= most]
                data = made_up(workload, count, Path(folder))
                rows += measure("cpu", workload, count, cpu_ways(workload, data, lanes), arguments.rounds)
        if arguments.device != "cpu" and torch.cuda.is_available():
            facts["gpu"] = torch.cuda.get_device_name()
            for workload, count in ((RESNET, 20 * RESNET.batch), (WIDE, 20 * WIDE.batch)):
                data = made_up(workload, count, Path(folder))
                ways = gpu_ways(workload, data, list(arguments.lanes or LANES_GPU))
                rows += measure("cuda", workload, count, ways, arguments.rounds)
    print(headline(facts))
    print(table(rows))
    print(peak_share(rows, facts["gpu"]))
    if facts["gpu"] == "none":
        print("On a GPU: not measured.")
    write_json(arguments.json, {"facts": facts, "rows": [asdict(row) | {"images_per_s": row.pace} for row in rows]})


if __name__ == "__main__":
    main()
