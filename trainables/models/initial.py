"""Initial weights."""

from __future__ import annotations

from torch import nn


def he_normal(network: nn.Module) -> None:
    """Draw each convolution's weights from N(0, 2 / (k² · output channels)); the linear layers' biases become zero.

    He et al., Delving Deep into Rectifiers, ICCV 2015, eq. 14 (the backward form), as the reference implementations of
    ResNet and of Wide ResNet have it. BatchNorm starts at 1 and 0; linear weights are drawn as torch draws them.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
