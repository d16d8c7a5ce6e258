"""What L modules of one structure hold, row by row: networks of all lanes, or losses of one family."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainables.engine.layout import Layout, named_tensors
from trainables.engine.optimizers import Columns, Optimizer

Rows = dict[str, Tensor]


class Bank:
    """Weights `[L, P]`, buffers `{name: [L, ...]}` (frozen parameters among them) and the optimiser's memory.

    `module` gives the structure. Everything changes in place between `add`, `keep` and `put`.
    """

    def __init__(self, module: nn.Module, optimizer: Optimizer) -> None:
        self.layout, self.optimizer = Layout(module), optimizer
        row = self._pack(module)
        self.weights = row.new_empty(0, self.layout.width)
        self.buffers = {name: tensor[None][:0].clone() for name, tensor in self._fixed(module).items()}
        self.memory = {slot: row.new_empty(0, self.layout.width) for slot in optimizer.slots}
        self.memory |= {counter: row.new_empty(0, 1) for counter in optimizer.counters}

    def add(self, module: nn.Module, memory: Mapping[str, Tensor]) -> None:
        """A row more, as `module` is; `memory` as `optimizer_memory` gave it, or empty before the first step."""
        self.weights = _with_row(self.weights, self._pack(module))
        for name, tensor in self._fixed(module).items():
            self.buffers[name] = _with_row(self.buffers[name], tensor)
        for slot, rows in self.memory.items():
            if not memory:
                row = rows.new_zeros(rows.shape[1])
            elif slot in self.optimizer.counters:
                row = memory[slot]
            else:
                row = self.layout.pack({name: memory[f"{slot}.{name}"] for name in self.layout.shapes})
            self.memory[slot] = _with_row(rows, row)

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these."""
        self.weights = self.weights[rows]
        for group in (self.buffers, self.memory):
            for name in group:
                group[name] = group[name][rows]

    def put(self, row: int, module: nn.Module) -> None:
        """Make row `row` what `module` is."""
        self.weights[row] = self._pack(module)
        for name, tensor in self._fixed(module).items():
            self.buffers[name][row] = tensor

    def link(self, row: int, module: nn.Module) -> None:
        """Turn the tensors of `module` into views of a row: from now on it is what the row is."""
        views = self.row(row)
        for name, tensor in named_tensors(module).items():
            tensor.data = views[name]

    def row(self, row: int) -> dict[str, Tensor]:
        """Views of a row by the module's names."""
        return self.layout.unpack(self.weights[row]) | {name: rows[row] for name, rows in self.buffers.items()}

    def optimizer_memory(self, row: int) -> dict[str, Tensor]:
        """Views of a row's optimiser memory: `SLOT.NAME`, or the slot alone for counters."""
        views = {}
        for slot, rows in self.memory.items():
            if slot in self.optimizer.counters:
                views[slot] = rows[row]
            else:
                views |= {f"{slot}.{name}": part for name, part in self.layout.unpack(rows[row]).items()}
        return views

    def step(self, gradients: Tensor, lr: Tensor, columns: Columns) -> None:
        """One step of the optimiser on all rows: gradients `[L, P]`, which may be overwritten, and lr `[L, 1]`."""
        self.optimizer.step(self.weights, gradients, self.memory, lr, columns)

    def snapshot(self) -> Rows:
        """Copies of all rows."""
        return {name: rows.clone() for name, rows in self._all().items()}

    def restore(self, rows: Rows) -> None:
        """Make all rows, in place, what they were at a `snapshot`."""
        for name, tensor in self._all().items():
            tensor.copy_(rows[name])

    def _all(self) -> Rows:
        buffers = {f"buffer.{name}": rows for name, rows in self.buffers.items()}
        return {"weights": self.weights} | buffers | {f"memory.{slot}": rows for slot, rows in self.memory.items()}

    def _pack(self, module: nn.Module) -> Tensor:
        if not self.layout.width:  # a loss that learns nothing; its precision is its hyperparameters'
            return torch.empty(0)
        return self.layout.pack(dict(module.named_parameters()))

    def _fixed(self, module: nn.Module) -> dict[str, Tensor]:
        tensors = named_tensors(module).items()
        return {name: tensor.detach() for name, tensor in tensors if name not in self.layout.shapes}


def _with_row(rows: Tensor, row: Tensor) -> Tensor:
    return torch.cat([rows, row.to(rows)[None]])
