"""A normalisation as plain values and arrays, for images that come without the data it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trainables.normalisation.catalogue import complete_normalisation, make_normalisation, normalisation_class

if TYPE_CHECKING:
    import torch

    from trainables.data.task import TaskData
    from trainables.normalisation.base import Normalisation

NAMES = {"channel": ("mean", "sd"), "pixel": ("mean",), "gcn": (), "zca": ("mean", "matrix"), "none": ()}


def fitted_normalisation(normalise: Any, data: TaskData) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The normalisation with all its options, and what it was fitted to.

    `channel`'s `mean` and `sd`, on a scale of 0 to 1, are lists among the options. As arrays come `pixel`'s `mean`
    `[channels, height, width]` on that scale, and `zca`'s `mean` `[D]` and `matrix` `[D, D]`, in float32.
    """
    described = complete_normalisation(normalise)
    name = described["name"]
    if name == "channel":
        mean, sd = data.pixel_statistics
        return described | {"mean": mean.tolist(), "sd": sd.tolist()}, {}
    if name == "pixel":
        return described, {"mean": np.asarray(data.mean_image)}
    if name == "zca":
        import torch

        made: Any = make_normalisation(described, data, torch.device("cpu"), torch.float32)
        return described, {"mean": made.whitening.mean.numpy(), "matrix": made.whitening.matrix.numpy()}
    return described, {}


def refitted(
    described: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    image_shape: tuple[int, int, int],
    device: torch.device,
) -> Normalisation:
    """The normalisation that `fitted_normalisation` described; it does in float32 to the bit what that one does.

    Raises ValueError where something that it was fitted to is missing or has another shape.
    """
    import torch

    values = dict(described)
    name = complete_normalisation({"name": values.pop("name")})["name"]
    found = {part: np.asarray(values.pop(part, arrays.get(part))) for part in NAMES[name]}
    size = int(np.prod(image_shape))
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "channel": {"mean": image_shape[:1], "sd": image_shape[:1]},
        "pixel": {"mean": image_shape},
        "zca": {"mean": (size,), "matrix": (size, size)},
    }
    for part, shape in shapes.get(name, {}).items():
        if found[part].shape != shape:
            raise ValueError(f"normalise: {name} needs its {part} {list(shape)}, found {list(found[part].shape)}")
    if name == "zca":
        from trainables.normalisation.gcn import GCN
        from trainables.normalisation.zca import Whitening

        gcn = GCN(_stand_in(image_shape, found), device, torch.float32, values["scale"], values["epsilon"])
        tensors = {part: torch.as_tensor(array, dtype=torch.float32, device=device) for part, array in found.items()}
        return Whitening(gcn, **tensors)
    made: Normalisation = normalisation_class(name)(_stand_in(image_shape, found), device, torch.float32, **values)
    return made


@dataclass(frozen=True)
class _Statistics:
    """What normalisations ask a task's data for."""

    image_shape: tuple[int, int, int]
    found: Mapping[str, np.ndarray]

    @property
    def pool(self) -> _Statistics:
        return self

    @property
    def pixel_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        return self.found["mean"], self.found["sd"]

    @property
    def mean_image(self) -> np.ndarray:
        return self.found["mean"]


def _stand_in(image_shape: tuple[int, int, int], found: Mapping[str, np.ndarray]) -> TaskData:
    return cast("TaskData", _Statistics(image_shape, found))
