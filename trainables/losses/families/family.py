"""What the catalogue says of one family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainables.losses.families.kinds import Hyperparameter
from trainables.names import unknown_name


@dataclass(frozen=True)
class Family:
    """A loss and its hyperparameters.

    `neutral` is the setting that is cross entropy; where no setting is, it is None and `limit` says why, or in which
    limit one would be. `needs_samples`: the loss remembers every training sample and is made with `num_samples`.
    `counts` says of a hyperparameter that does not always count when it does; otherwise it stays at its default.
    `attaches_modules`: it takes the logits of several modules and is made with `num_modules`.
    """

    name: str
    class_name: str
    title: str
    formula: str
    paper: str
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    neutral: Mapping[str, Any] | None = None
    limit: str = ""
    counts: Mapping[str, Callable[[Mapping[str, Any]], bool]] = field(default_factory=dict)
    needs_samples: bool = False
    attaches_modules: bool = False

    def check(self, hyperparameter: str, value: Any) -> None:
        """Refuse an unknown hyperparameter or a value outside its range with ValueError."""
        if hyperparameter not in self.hyperparameters:
            known = self.hyperparameters
            raise ValueError(unknown_name("hyperparameter", hyperparameter, known, f"family '{self.name}' has"))
        self.hyperparameters[hyperparameter].check(hyperparameter, value)

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`values` checked, with defaults for what is left out."""
        for name, value in values.items():
            self.check(name, value)
        return {name: values.get(name, hp.default) for name, hp in self.hyperparameters.items()}

    def settle(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`complete(values)`, with the default for what does not count beside the others: one setting, one spelling."""
        completed = self.complete(values)
        for name, counts in self.counts.items():
            if not counts(completed):
                completed[name] = self.hyperparameters[name].default
        return completed
