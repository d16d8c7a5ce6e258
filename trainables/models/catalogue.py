"""The networks that have a name: arguments with their ranges, the images that they need, their paper.

Plain data, no torch: the study file is checked against it in milliseconds. The classes say how they are built.
"""

from __future__ import annotations

from trainables.kinds import Choice, Flag, Integer, Real
from trainables.models.model import Model
from trainables.names import unknown_name

HE = "He et al., Deep Residual Learning, CVPR 2016"
MSL = "Do, Jin, Nguyen and Kim, Mixture Separability Loss, Table 1"
SIMLOSS = "Kobs et al., SimLoss, ISMIS 2020"
WRN = "Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016"
RESNETS = (  # torchvision's, whose first layers may be those for small images
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
)  # fmt: skip

SHORTCUT = Choice("A", ("A", "B"), meaning="where shapes differ: A pads with zeros, B projects by a 1x1 convolution")
TINY_RESNET = ("resnet_cifar", {"depth": 8, "width": 4})


def _count(default: int, meaning: str, low: int = 1, step: int = 1) -> Integer:
    return Integer(default, low, meaning=meaning, step=step)


def torchvision_model(builder: str) -> Model:
    """torchvision's network `builder`; ValueError where it has none of that name."""
    name = f"torchvision.{builder}"
    resnet = builder in RESNETS
    if not resnet:
        from torchvision import models

        known = models.list_models(module=models)
        if builder not in known:
            raise ValueError(unknown_name("torchvision model", builder, known, "torchvision has"))
    stem = Choice(
        "auto", ("auto", "cifar", "imagenet"),
        meaning="cifar begins with a 3x3 convolution, imagenet with 7x7 and pooling; auto: cifar up to 64x64 pixels",
    )  # fmt: skip
    return Model(
        name=name,
        made_by="trainables.models.from_torchvision:network",
        title=f"torchvision's {builder}, with random weights",
        paper=f"{HE} and its successors" if resnet else "see torchvision",
        arguments={"stem": stem} if resnet else {},
        usual_image=(3, 224, 224),
        smallest_side=8 if resnet else 0,
        tiny=TINY_RESNET if resnet else None,
        given={"builder": builder},
    )


MLP = Model(
    "mlp", "trainables.models.mlp:MLP", "linear layers on the flattened pixels", "the standard baseline",
    {"hidden": _count(128, "units of a hidden layer"), "depth": _count(1, "hidden layers")},
    usual_image=(1, 8, 8), smallest_side=1, tiny=("mlp", {"hidden": 8}),
)  # fmt: skip
SMALL_CNN = Model(
    "small_cnn", "trainables.models.small_cnn:SmallCNN", "two convolutions and a hidden layer", "the standard baseline",
    {"width": _count(16, "channels of the first convolution"), "hidden": _count(64, "units of the hidden layer")},
    usual_image=(1, 8, 8), smallest_side=4, tiny=("small_cnn", {"width": 4, "hidden": 16}),
)  # fmt: skip
LENET = Model(
    "lenet", "trainables.models.lenet:LeNet", "LeNet-5: convolutions 6@5 and 16@5, linear 120 and 84", SIMLOSS,
    smallest_side=12, tiny=("lenet", {}),
)  # fmt: skip
AGE_CNN = Model(
    "age_cnn", "trainables.models.age_cnn:AgeCNN", "for ages: convolutions 20@5, 40@7 and 80@11, linear 120", SIMLOSS,
    {"width": _count(20, "channels of the first convolution"), "hidden": _count(120, "units of the linear layer")},
    usual_image=(3, 60, 60), smallest_side=60, tiny=("age_cnn", {"width": 2, "hidden": 8}),
)  # fmt: skip
VGG = Model(
    "vgg", "trainables.models.vgg:VGG", "four blocks of 3x3 convolutions, max pooling between them", MSL,
    {
        "depth": _count(16, "layers with weights: 4 m", low=8, step=4),
        "width": _count(64, "channels of the first block"),
        "batch_norm": Flag(True, "BatchNorm before each ReLU"),
    },
    smallest_side=8, tiny=("vgg", {"depth": 8, "width": 4}),
)  # fmt: skip
RESNET_CIFAR = Model(
    "resnet_cifar", "trainables.models.resnet_cifar:ResNetCifar", "residual network for small images",
    f"{HE}, section 4.2",
    {
        "depth": _count(20, "layers with weights: 6 n + 2", low=8, step=6),
        "width": _count(16, "channels of the first stage"),
        "shortcut": SHORTCUT,
    },
    smallest_side=4, tiny=TINY_RESNET,
)  # fmt: skip
PREACT_RESNET = Model(
    "preact_resnet", "trainables.models.preact_resnet:PreActResNet",
    "pre-activation residual network with max pooling between its stages", MSL,
    {
        "k": _count(3, "residual blocks a stage"),
        "width": _count(16, "channels of the first convolution"),
        "widening": _count(1, "how many times as wide as the first convolution the first stage is"),
        "convolutions": _count(2, "convolutions of a residual block"),
        "shortcut": SHORTCUT,
    },
    smallest_side=8, tiny=("preact_resnet", {"k": 1, "width": 4}),
)  # fmt: skip
WIDE_RESNET = Model(
    "wide_resnet", "trainables.models.wide_resnet:WideResNet", "wide pre-activation residual network", WRN,
    {
        "depth": _count(28, "layers with weights: 6 n + 4", low=10, step=6),
        "width": _count(10, "widening factor: the first stage has 16 times as many channels"),
        "dropout": Real(0.0, 0, 1, high_open=True, meaning="share dropped between the convolutions of a block"),
    },
    smallest_side=4, tiny=("wide_resnet", {"depth": 10, "width": 1}),
)  # fmt: skip

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        MLP,
        SMALL_CNN,
        LENET,
        AGE_CNN,
        VGG,
        VGG.preset("vgg16", "3, 4, 4 and 4 convolutions of 3x3", depth=16),
        RESNET_CIFAR,
        *(
            RESNET_CIFAR.preset(f"resnet{depth}", f"residual network of {depth} layers", depth=depth)
            for depth in (20, 32, 44, 56, 110)
        ),
        PREACT_RESNET,
        *(
            PREACT_RESNET.preset(
                f"preact_resnet{k}", f"ResNet{k}: {6 * k + 2} layers, max pooling between the stages", k=k,
                convolutions=2, widening=1,
            )
            for k in (3, 9, 18, 25)
        ),
        PREACT_RESNET.preset(
            "wrn28_10_msl", "the paper's WRN28/10: three convolutions a block", k=3, convolutions=3, widening=10
        ),
        WIDE_RESNET,
        WIDE_RESNET.preset("wrn28_10", "WRN-28-10", depth=28, width=10),
        WIDE_RESNET.preset("wrn28_12", "WRN-28-12", depth=28, width=12),
        *(
            torchvision_model(name).preset(name, f"torchvision's {name}, with random weights", HE)
            for name in ("resnet34", "resnet50", "resnet152")
        ),
    )
}  # fmt: skip
