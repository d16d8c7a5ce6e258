"""Parameters of a module as one row of numbers.

With the weights of L lanes in one matrix `[L, P]`, an optimiser step is a handful of elementwise operations whatever
the network, hyperparameters are columns `[L, 1]`, and adding or dropping a lane is adding or dropping a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class Layout:
    """Where each trained parameter lies in a row. Frozen ones (`requires_grad` False) have no place in it."""

    def __init__(self, module: nn.Module) -> None:
        self.shapes = {name: p.shape for name, p in module.named_parameters() if p.requires_grad}
        self.sizes = [shape.numel() for shape in self.shapes.values()]
        self.width = sum(self.sizes)

    def pack(self, named: Mapping[str, Tensor]) -> Tensor:
        """One row `[P]` from named tensors."""
        return torch.cat([named[name].detach().reshape(-1) for name in self.shapes])

    def unpack(self, row: Tensor) -> dict[str, Tensor]:
        """Views of a row `[P]`, by name."""
        parts = zip(self.shapes.items(), row.split(self.sizes), strict=True)
        return {name: part.view(shape) for (name, shape), part in parts}

    def unpack_rows(self, rows: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Views `[L, *shape]` of rows `[L, P]`, by name."""
        for (name, shape), part in zip(self.shapes.items(), rows.split(self.sizes, dim=1), strict=True):
            yield name, part.view(len(rows), *shape)


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer of a module, by name."""
    return dict(module.named_parameters()) | dict(module.named_buffers())
