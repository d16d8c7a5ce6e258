"""What the catalogue says of one network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from trainables.kinds import Kind
from trainables.names import unknown_name
from trainables.real import Real


@dataclass(frozen=True)
class Model:
    """A network, its arguments and what it needs of the images.

    `made_by` is the import path of its class, or of a function, which gets image_shape, num_classes, `given` and the
    arguments. A preset is its `base` with `fixed` arguments. `usual_image` `[channels, height, width]` is what it was
    made for, `smallest_side` the shortest side in pixels that it can take: 0 where only trying tells.
    `tiny` is what replaces it in a trial run of seconds: a network of its kind, by name and arguments.
    """

    name: str
    made_by: str
    title: str
    paper: str
    arguments: Mapping[str, Kind] = field(default_factory=dict)
    usual_image: tuple[int, int, int] = (3, 32, 32)
    smallest_side: int = 0
    tiny: tuple[str, Mapping[str, Any]] | None = None
    base: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def preset(self, name: str, title: str, paper: str = "", **fixed: Any) -> Model:
        """This network under another name, some of its arguments fixed."""
        left = {argument: kind for argument, kind in self.arguments.items() if argument not in fixed}
        return replace(
            self, name=name, title=title, paper=paper or self.paper, arguments=left, base=self.name, fixed=fixed
        )

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse an unknown argument or a value outside its range with ValueError."""
        for argument, value in arguments.items():
            if argument in self.fixed:
                fixed = f"{argument} is {self.fixed[argument]!r} in model '{self.name}'"
                raise ValueError(f"{fixed}; to set it, name the model {self.base}")
            if argument not in self.arguments:
                raise ValueError(unknown_name("argument", argument, self.arguments, f"model '{self.name}' has"))
            self.arguments[argument].check(argument, value)

    def complete(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """`arguments` checked, with what is fixed and the defaults of what is left out: one network, one spelling."""
        self.check(arguments)
        values = {name: arguments.get(name, kind.default) for name, kind in self.arguments.items()}
        real = {name: float(values[name]) for name, kind in self.arguments.items() if isinstance(kind, Real)}
        return {**self.fixed, **values, **real}

    def check_image(self, image_shape: tuple[int, int, int]) -> None:
        """Refuse images that are known to be too small for it with ValueError."""
        _, height, width = image_shape
        if min(height, width) < self.smallest_side:
            raise ValueError(
                f"{self.name} needs images of at least {self.smallest_side}x{self.smallest_side} pixels; these are "
                f"{height}x{width}: choose another network ('study models' lists them), or larger images"
            )
