"""Plain PyTorch that makes of raw images what an exported network takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def normalising_code(described_input: Mapping[str, Any]) -> str:
    """A function `normalised` of uint8 images, from pixels of 0 to 255 on; it needs `torch` and `load_file`."""
    options, before = described_input["normalise"], []
    match options["name"]:
        case "channel":
            before = [f"{part} = torch.tensor({options[part]}).view(-1, 1, 1)" for part in ("mean", "sd")]
            body = ["return (images.float() / 255 - mean) / sd"]
        case "pixel":
            before = [f'mean = load_file("{described_input["file"]}")["mean"].float()']
            body = ["return images.float() / 255 - mean"]
        case "gcn":
            body = [*_contrast(options, described_input["shape"]), "return values.view(images.shape)"]
        case "zca":
            before = [f'whitening = load_file("{described_input["file"]}")']
            body = [
                *_contrast(options, described_input["shape"]),
                'return ((values - whitening["mean"]) @ whitening["matrix"]).view(images.shape)',
            ]
        case _:
            body = ["return images.float() / 255"]
    function = ["def normalised(images):", *(f"    {line}" for line in body)]
    return "\n".join([*before, *(["", ""] if before else []), *function])


def _contrast(options: Mapping[str, Any], shape: list[int]) -> list[str]:
    """Each image less its mean, with a norm of `scale`."""
    scale = math.sqrt(math.prod(shape)) if options["scale"] is None else options["scale"]
    return [
        "values = images.float().flatten(1)",
        "values = values - values.mean(1, keepdim=True)",
        f"values = {scale!r} * values / values.norm(dim=1, keepdim=True).clamp(min={options['epsilon']!r})",
    ]
