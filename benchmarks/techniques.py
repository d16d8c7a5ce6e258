"""Techniques of training one network, or many: each makes a `Training` of a `Setting`.

One network at a time:
    eager            a module, torch.optim.SGD (fused), a loop
    channels last    the same, images and weights channels last in memory
    graph            that with one CUDA graph a step
Many networks:
    processes        one process for each, `channels last`, all on the one device
    processes graph  the same, each with its CUDA graph
    streams graph    one CUDA graph a step of all networks, each a branch of it
    vmap             the engine's lanes by vmap's own rules
    folded           the engine's lanes as channels of grouped convolutions
    vmap graph       the step of `vmap` as one CUDA graph
    folded graph     the step of `folded` as one CUDA graph
    compiled         the step of `folded`, forward and backward pass and optimiser, by torch.compile
    compiled graph   that as one CUDA graph
    study            the engine's epoch as studies run it: folded, on a GPU as one graph a step, validation and all that
                     is measured included

On a CPU there are no CUDA graphs and no streams: the same code runs step by step, so that every technique can be held
against the plain loop there. All train the same: lane i has the weights, the order of images and the loss of lane i in
any technique.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.lane_work import CLASSES, LR, MOMENTUM, WEIGHT_DECAY, Setting, lane_array, lane_loss
from trainables.engine.graphs import Eager
from trainables.engine.lanes import LaneArray
from trainables.engine.layout import Layout
from trainables.engine.sources import make_source
from trainables.engine.stack import VectorizedStack
from trainables.models import make_model
from trainables.seeds import derive_seed

WARM_UP = 3  # steps before a capture
STREAMS = 16
Step = Callable[[], object]


@dataclass(frozen=True)
class Training:
    """Networks that train: `epoch(e)` is one pass over the images, `weights()` gives the rows `[lanes, P]`."""

    epoch: Callable[[int], None]
    weights: Callable[[], Tensor]
    close: Callable[[], None] = lambda: None


class Plain:
    """One network, its loss and torch.optim.SGD, without a platform."""

    def __init__(self, setting: Setting, lane: int, *, channels_last: bool) -> None:
        workload, self.device, self.batch = setting.workload, setting.device, setting.workload.batch
        self.bf16, self.lane = setting.precision == "bf16", lane
        dtype = torch.float64 if setting.precision == "float64" else torch.float32
        source = make_source(setting.data, "channel", torch.device(setting.device), dtype)
        images = torch.cat([part for _, part in source.watched_batches(1024)])
        network = make_model(**workload.model, image_shape=workload.shape, num_classes=CLASSES, seed=lane)
        network = network.to(self.device, dtype)
        if channels_last:
            network = network.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        self.images, self.network = images, network
        self.labels = torch.from_numpy(setting.data.pool.labels[setting.data.train_index]).to(self.device)
        self.loss = lane_loss(lane).to(self.device, dtype)
        self.parameters = list(network.parameters())
        self.optimizer = torch.optim.SGD(
            self.parameters, lr=LR, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY, fused=True
        )
        for parameter in self.parameters:  # there before the first step, so that a capture finds it
            self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One batch. The gradients by `autograd.grad`, which unlike `backward` binds no stream."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            logits = self.network(images)
        if self.bf16:
            logits = logits.float()
        found = torch.autograd.grad(self.loss(logits, labels), self.parameters)
        for parameter, gradient in zip(self.parameters, found, strict=True):
            parameter.grad = gradient
        self.optimizer.step()

    def batches(self, epoch: int) -> Iterator[Tensor]:
        """Indices of each batch, in the order in which the engine gives them to the lane of this number."""
        generator = torch.Generator().manual_seed(derive_seed(self.lane, epoch))
        return iter(torch.randperm(len(self.images), generator=generator).to(self.device).split(self.batch))

    def changing(self) -> list[Tensor]:
        """All tensors that a step changes."""
        momentum = [self.optimizer.state[parameter]["momentum_buffer"] for parameter in self.parameters]
        return [*self.parameters, *self.network.buffers(), *momentum]

    def weights(self) -> Tensor:
        """Its weights as a row `[1, P]`."""
        return Layout(self.network).pack(dict(self.network.named_parameters()))[None]


def captured(step: Step, device: str, changing: Sequence[Tensor]) -> Step:
    """A step as one CUDA graph, on the CPU the step itself; what its warm-up changed is undone."""
    before = [tensor.detach().clone() for tensor in changing]
    if device == "cuda":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        run: Step = graph.replay
    else:
        step()
        run = step
    with torch.no_grad():
        for tensor, kept in zip(changing, before, strict=True):
            tensor.copy_(kept)
    return run


def eager(setting: Setting, lane: int = 0, *, channels_last: bool = False) -> Training:
    """One network, step by step."""
    plain = Plain(setting, lane, channels_last=channels_last)

    def epoch(number: int) -> None:
        for index in plain.batches(number):
            plain.step(plain.images[index], plain.labels[index])

    return Training(epoch, plain.weights)


def graph(setting: Setting, lane: int = 0) -> Training:
    """One network, channels last, one graph a step."""
    plain = Plain(setting, lane, channels_last=True)
    images, labels = plain.images[: plain.batch].clone(), plain.labels[: plain.batch].clone()
    replay = captured(lambda: plain.step(images, labels), setting.device, plain.changing())

    def epoch(number: int) -> None:
        for index in plain.batches(number):
            images.copy_(plain.images[index])
            labels.copy_(plain.labels[index])
            replay()

    return Training(epoch, plain.weights)


def streams_graph(setting: Setting) -> Training:
    """Separate networks, channels last; one graph a step, in which each is a branch on one of a few streams."""
    plains = [Plain(setting, lane, channels_last=True) for lane in range(setting.lanes)]
    images = [plain.images[: plain.batch].clone() for plain in plains]
    labels = [plain.labels[: plain.batch].clone() for plain in plains]
    cuda = setting.device == "cuda"
    streams = [torch.cuda.Stream() for _ in range(min(STREAMS, setting.lanes))] if cuda else []

    def step() -> None:
        main = torch.cuda.current_stream() if cuda else None
        for stream in streams:
            stream.wait_stream(main)
        for lane, plain in enumerate(plains):
            with torch.cuda.stream(streams[lane % len(streams)]) if cuda else nullcontext():
                plain.step(images[lane], labels[lane])
        for stream in streams:
            main.wait_stream(stream)

    replay = captured(step, setting.device, [tensor for plain in plains for tensor in plain.changing()])

    def epoch(number: int) -> None:
        for indices in zip(*(plain.batches(number) for plain in plains), strict=True):
            for lane, (plain, index) in enumerate(zip(plains, indices, strict=True)):
                images[lane].copy_(plain.images[index])
                labels[lane].copy_(plain.labels[index])
            replay()

    return Training(epoch, lambda: torch.cat([plain.weights() for plain in plains]))


def folded(setting: Setting) -> Training:
    """Lanes as the engine trains them."""
    return _by_engine(lane_array(setting))


def vmap(setting: Setting) -> Training:
    """Lanes by vmap's own rules."""
    return _by_engine(by_vmap(lane_array(setting)))


def study(setting: Setting) -> Training:
    """All that an epoch of a study has."""
    array = lane_array(setting)

    def epoch(number: int) -> None:
        array.advance()

    return Training(epoch, lambda: array.bank.weights)


def folded_graph(setting: Setting) -> Training:
    """The step of `folded` as one graph."""
    return _graph_of_array(lane_array(setting), setting.device)


def vmap_graph(setting: Setting) -> Training:
    """The step of `vmap` as one graph."""
    return _graph_of_array(by_vmap(lane_array(setting)), setting.device)


def compiled(setting: Setting, *, as_graph: bool = False, backend: str = "inductor") -> Training:
    """The whole step of `folded` by torch.compile, as one graph or not.

    The compiler cannot read vmap and the folding inside it. So the step is run once with what it calls written down;
    that list of plain functions, without Python between them, is what is compiled.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    step = _ArrayStep(lane_array(setting))
    before = step.program.snapshot()
    # cuDNN's batch normalisation is a call that nothing is fused with; the plain one is taken to pieces.
    with torch.backends.cudnn.flags(enabled=False):
        written = make_fx(lambda w, m, b, x, i: step.on(w, m, b, x, i))(*step.state(), step.images, step.indices)
    step.program.restore(before)
    run = torch.compile(written, backend=backend, dynamic=False)

    def one() -> None:
        run(*step.state(), step.images, step.indices)

    if not as_graph:
        return step.training(one)
    one()
    step.program.restore(before)
    return step.training(captured(one, setting.device, step.changing()))


class _ArrayStep:
    """The step of an array's program on whole batches, at a fixed learning rate, from tensors that stay in place."""

    def __init__(self, array: LaneArray) -> None:
        self.array, self.program, self.lanes = array, array.program, len(array.lanes)
        self.rate = torch.full((self.lanes, 1), LR, dtype=array.dtype, device=array.device)
        self.indices, self.images = (part.clone() for part in next(self.batches(0)))

    def __call__(self) -> None:
        self.on(*self.state(), self.images, self.indices)

    def on(
        self, weights: Tensor, memory: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor, indices: Tensor
    ) -> Tensor:
        """The same on given tensors, which are changed; the losses `[L]`."""
        program, bank = self.program, self.program.bank
        own = self.state()
        bank.weights, bank.memory, bank.buffers = weights, memory, buffers
        try:
            losses, _ = program.step(indices, images, self.rate, self.rate)
        finally:
            bank.weights, bank.memory, bank.buffers = own
        return losses

    def state(self) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """What the networks and the optimiser hold."""
        bank = self.program.bank
        return bank.weights, bank.memory, bank.buffers

    def changing(self) -> list[Tensor]:
        """All tensors that a step changes."""
        weights, memory, buffers = self.state()
        return [weights, *memory.values(), *buffers.values()]

    def batches(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Indices and images of each batch of an epoch."""
        program = self.program
        orders = program._orders([number] * self.lanes)
        return self.array.data.train_batches(orders, program.batch_size, program.augmentation)

    def training(self, run: Step) -> Training:
        """Epochs of `run`, which takes its batch from `indices` and `images`."""

        def epoch(number: int) -> None:
            for index, batch in self.batches(number):
                self.indices.copy_(index)
                self.images.copy_(batch)
                run()

        return Training(epoch, lambda: self.program.bank.weights)


def _graph_of_array(array: LaneArray, device: str) -> Training:
    step = _ArrayStep(array)
    return step.training(captured(step, device, step.changing()))


def _by_engine(array: LaneArray) -> Training:
    array.program.steps = Eager()

    def epoch(number: int) -> None:
        epochs = [number] * len(array.lanes)
        array.program.train(epochs, array.program.learning_rates(epochs))

    return Training(epoch, lambda: array.bank.weights)


def by_vmap(array: LaneArray) -> LaneArray:
    """The array, its networks by vmap's own rules, all lanes at a time."""
    networks = array.program.networks
    if isinstance(networks, VectorizedStack):  # a lone lane is a plain module
        networks.layout, networks.images = nullcontext, False
    return array
