"""Modules attached to blocks inside a network, each with logits of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from trainables.names import unknown_name
from trainables.seeds import derive_seed


class Attached(nn.Module):
    """A network whose `blocks`, by submodules' names, carry global average pooling and a linear layer to C classes.

    Images `[B, ...]` to a list of logits `[B, C]`: one per block in their order, the network's own last, which
    predict. A block gives feature maps `[B, ch, h, w]`, or features `[B, ch]` that are not pooled. Parameters are named
    `network.`, as in the network itself, and `attached.`, which belong to training alone.
    Do, Jin, Nguyen and Kim, section 3.4, without the loss, which is `msl`'s.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[str], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.network, self.blocks, self.attached = network, tuple(blocks), nn.ModuleList(heads)
        self.features: dict[str, Tensor] = {}
        for name in self.blocks:
            network.get_submodule(name).register_forward_hook(partial(self._keep, name))

    def forward(self, images: Tensor) -> list[Tensor]:
        own = self.network(images)
        features = [self.features.pop(name) for name in self.blocks]
        attached = [head(pooled(feature)) for head, feature in zip(self.attached, features, strict=True)]
        return [*attached, *([own] if isinstance(own, Tensor) else own)]

    def _keep(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.features[name] = output


def attach(
    network: nn.Module,
    modules: str | Sequence[str],
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
    seed: int,
) -> nn.Module:
    """The network with modules at `modules`, as `chosen_blocks` reads it; itself where none is attached.

    Its own weights stay as they are; those of a module are drawn from `seed` and the block's name.
    Raises ValueError for a block that has no features to pool.
    """
    blocks = chosen_blocks(network, modules)
    if not blocks:
        return network
    shapes = _feature_shapes(network, blocks, image_shape)
    heads = []
    for name in blocks:
        shape = shapes.get(name)
        if shape is None or len(shape) not in (2, 4):
            given = "gives none" if shape is None else f"gives {list(shape)}"
            raise ValueError(f"block '{name}' {given}; a module needs feature maps [B, ch, h, w] or features [B, ch]")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "attached", name))
            heads.append(nn.Linear(shape[1], num_classes))
    return Attached(network, blocks, heads)


def chosen_blocks(network: nn.Module, modules: str | Sequence[str]) -> tuple[str, ...]:
    """The names of the submodules that get a module of their own, in the network's order.

    `modules` is 'last', 'all' or submodules' names, as a list or joined by '+'. A network may state its `blocks`; the
    last of them carries the network's own head, and so does the network as a whole: 'last' attaches nothing.
    Raises ValueError for 'all' where no blocks are stated, and for an unknown name.
    """
    names = [name for name, _ in network.named_modules() if name]
    stated = stated_blocks(network)
    if modules == "last":
        return ()
    if modules == "all":
        if not stated:
            raise ValueError(
                f"modules = 'all': {type(network).__name__} does not state its blocks; list submodules instead, "
                f"or give it an attribute blocks = ('name', ...); submodules: {', '.join(names)}"
            )
        return stated[:-1]
    wanted = modules.split("+") if isinstance(modules, str) else list(modules)
    for name in wanted:
        if name not in names:
            raise ValueError(unknown_name("block", name, stated or names, "blocks"))
    return tuple(name for name in names if name in wanted and name not in stated[-1:])


def stated_blocks(network: nn.Module) -> tuple[str, ...]:
    """The blocks that a network says it has; empty where its attribute `blocks` is something else, such as layers."""
    blocks = getattr(network, "blocks", ())
    return tuple(blocks) if isinstance(blocks, tuple | list) and all(isinstance(b, str) for b in blocks) else ()


def pooled(features: Tensor) -> Tensor:
    """Global average pooling of feature maps, `[B, ch, h, w]` to `[B, ch]`; `[B, ch]` stays."""
    return features.mean((-2, -1)) if features.dim() == 4 else features


def _feature_shapes(
    network: nn.Module, blocks: Sequence[str], image_shape: tuple[int, int, int]
) -> dict[str, torch.Size]:
    """What the blocks give for two images; running statistics stay, and so does the mode."""
    shapes: dict[str, torch.Size] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], object], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
            if isinstance(output, Tensor):
                shapes[name] = output.shape

        return hook

    handles = [network.get_submodule(name).register_forward_hook(note(name)) for name in blocks]
    training, like = network.training, next(network.parameters())
    with torch.no_grad():
        network.eval()(torch.zeros(2, *image_shape, dtype=like.dtype, device=like.device))
    network.train(training)
    for handle in handles:
        handle.remove()
    return shapes
