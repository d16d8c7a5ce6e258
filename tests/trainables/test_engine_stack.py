"""A stack of lanes computes what each module computes by itself: values, gradients and running statistics, in float64.

Whatever a network is made of: what is folded into channels, and what goes through vmap's own rules.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.engine import parts
from trainables.engine.bank import Bank
from trainables.engine.channels_last import channels_last, wants_channels_last
from trainables.engine.layout import named_tensors
from trainables.engine.optimizers import SGD
from trainables.engine.parts import lanes_per_part
from trainables.engine.stack import Stack, VectorizedStack, gradients, make_stack
from trainables.models import make_model
from trainables.models.attached import attach

pytestmark = [
    pytest.mark.usefixtures("double_precision"),
    pytest.mark.filterwarnings("ignore:There is a performance drop"),  # vmap's, of functions that it has no rule for
]

BATCH = 5


class Calls(nn.Module):
    """A network of one function of feature maps, between two convolutions."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3, padding=1), nn.LazyConv2d(4, 1)
        self.function = function
        self(torch.zeros(2, 3, 8, 8))

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.function(self.first(images).tanh())).sum((2, 3))


class Transposed(Calls):
    """Its convolution's weights are no leaf but a function of one, shared with the layer before."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images).tanh()
        x = F.conv2d(x, self.first.weight.transpose(0, 1).flip(2), self.first.bias[:3], padding="same", dilation=2)
        return self.last(torch.cat([x, x * 2], 1)).sum((2, 3))


class Volumes(nn.Module):
    """Convolutions, pooling and normalisation of sequences and of volumes."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.norm1 = nn.Conv1d(3, 4, 3, padding=1), nn.BatchNorm1d(4)
        self.volume, self.norm3 = nn.Conv3d(1, 2, 3, padding=1), nn.BatchNorm3d(2)

    def forward(self, images: Tensor) -> Tensor:
        line = F.max_pool1d(self.norm1(self.line(images.flatten(2))), 2)
        volume = F.avg_pool3d(self.norm3(self.volume(images.unsqueeze(1))), 2)
        return torch.cat([line.flatten(1), volume.flatten(1)], 1)


def sobel(x: Tensor) -> Tensor:
    """A convolution whose weights all lanes share, being no parameter."""
    kernel = torch.linspace(-1, 1, 9, dtype=x.dtype).view(1, 1, 3, 3).repeat(6, 1, 1, 1)
    return F.conv2d(x, kernel, groups=6)


def of_one_image(x: Tensor) -> Tensor:
    """The maps of an image without its axis of the batch."""
    return torch.stack([F.max_pool2d(F.conv2d(image, torch.ones(2, 6, 1, 1)), 2) for image in x.unbind()])


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(6, 5, 3, stride=2),
    "conv without bias": lambda: nn.Conv2d(6, 5, (1, 3), bias=False),
    "conv dilated": lambda: nn.Conv2d(6, 5, 3, padding="same", dilation=2),
    "conv grouped": lambda: nn.Conv2d(6, 9, 3, groups=3, padding="valid"),
    "conv depthwise": lambda: nn.Conv2d(6, 12, 3, groups=6, padding=1),
    "conv circular": lambda: nn.Conv2d(6, 5, 3, padding=1, padding_mode="circular"),
    "conv reflected": lambda: nn.Conv2d(6, 5, 3, padding="same", padding_mode="reflect"),
    "conv transposed": lambda: nn.ConvTranspose2d(6, 5, 3, stride=2),
    "conv weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 5, 3)),
    "max pool": lambda: nn.MaxPool2d(2),
    "max pool ceil": lambda: nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    "max pool dilated": lambda: nn.MaxPool2d((2, 3), stride=1, dilation=2),
    "average pool": lambda: nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False),
    "adaptive average pool": lambda: nn.AdaptiveAvgPool2d((3, None)),
    "adaptive max pool": lambda: nn.AdaptiveMaxPool2d(3),
    "batch norm": lambda: nn.BatchNorm2d(6),
    "batch norm without weights": lambda: nn.BatchNorm2d(6, affine=False, momentum=0.3),
    "batch norm without statistics": lambda: nn.BatchNorm2d(6, track_running_stats=False),
    "instance norm": lambda: nn.InstanceNorm2d(6, affine=True),
    "group norm": lambda: nn.GroupNorm(3, 6),
    "layer norm": lambda: nn.LayerNorm([6, 8, 8]),
    "local response norm": lambda: nn.LocalResponseNorm(3),
    "shuffle": lambda: nn.Sequential(nn.ChannelShuffle(3), nn.Conv2d(6, 8, 1), nn.PixelShuffle(2)),
    "upsample": lambda: nn.Upsample(scale_factor=2),
    "prelu in place": lambda: nn.Sequential(nn.PReLU(6), nn.ReLU(inplace=True)),
}
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "max pool with indices": lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    "torch.max_pool2d": lambda x: torch.max_pool2d(x, kernel_size=2, ceil_mode=True),
    "lp pool": lambda x: F.lp_pool2d(x.abs() + 1, 2, 2),
    "view": lambda x: x.view(len(x), 6, -1).view(len(x), 12, -1, 4),
    "flat view": lambda x: x.view(-1, 6 * 64).view(-1, 6, 8, 8),
    "view as": lambda x: F.max_pool2d(x, 2).view_as(x.new_empty(len(x), 4, 4, 6)).mT,
    "as strided": lambda x: x.as_strided((len(x), 6, 4, 4), (384, 64, 16, 2)),
    "unfold": lambda x: F.fold(F.unfold(x, 2, stride=2), (8, 8), 2, stride=2),
    "pad": lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)),
    "shared weights": sobel,
    "one image at a time": of_one_image,
    "mean and maximum": lambda x: x * x.mean((-2, -1), keepdim=True) + x.amax(1, keepdim=True),
    "gradient inside": lambda x: x + torch.func.grad(lambda z: F.avg_pool2d(z, 2).square().sum())(x),
    "vmap inside": lambda x: torch.func.vmap(lambda z: F.max_pool2d(z.unsqueeze(0), 2).squeeze(0))(x),
}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{name: lambda layer=layer: Calls(layer()) for name, layer in LAYERS.items()},
    **{name: lambda function=function: Calls(function) for name, function in FUNCTIONS.items()},
    "weights that are computed": lambda: Transposed(nn.Identity()),
    "sequences and volumes": Volumes,
}
CATALOGUE = [
    {"name": "mlp", "hidden": 8},
    {"name": "small_cnn", "width": 3, "hidden": 8},
    {"name": "lenet"},
    {"name": "resnet_cifar", "depth": 8, "width": 1},
    {"name": "resnet_cifar", "depth": 8, "width": 4},
    {"name": "resnet_cifar", "depth": 8, "width": 4, "shortcut": "B"},
    {"name": "preact_resnet", "k": 1, "width": 4, "shortcut": "B"},
]


def stacked(module: nn.Module, lanes: int) -> tuple[Stack, Bank, list[nn.Module]]:
    """A stack of `lanes` modules like this one with weights and statistics of their own, and these modules."""
    bank, modules = Bank(module, SGD(nesterov=False)), []
    for seed in range(lanes):
        generator = torch.Generator().manual_seed(seed)
        modules.append(copy.deepcopy(module))
        for tensor in named_tensors(modules[-1]).values():
            if tensor.is_floating_point():
                tensor.data.add_(torch.rand(tensor.shape, generator=generator) * 0.3)
        bank.add(modules[-1], {})
    return make_stack(module, bank, images=True), bank, modules


def assert_computes_what_its_modules_compute(module: nn.Module, lanes: int, shape: tuple[int, ...]) -> None:
    stack, bank, modules = stacked(module, lanes)
    images = torch.randn(lanes, BATCH, *shape, generator=torch.Generator().manual_seed(9))
    for _ in range(2):
        outputs = stack.forward(images)
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        expected = [each.train()(image) for each, image in zip(modules, images, strict=True)]
        expected = [[each] if isinstance(each, Tensor) else each for each in expected]
        weights = torch.randn(outputs[0].shape, generator=torch.Generator().manual_seed(7))
        found = gradients(sum((weights * part).sum() for part in outputs), [stack])[0]
        for row, each in enumerate(modules):
            total = sum((weights[row] * part).sum() for part in expected[row])
            names, parameters = zip(*each.named_parameters(), strict=True)
            wanted = torch.autograd.grad(total, parameters, materialize_grads=True)
            for name, gradient in zip(names, wanted, strict=True):
                close(bank.layout.unpack(found[row])[name], gradient, name)
            for ours, part in zip(outputs, expected[row], strict=True):
                close(ours[row], part, "output")
            for name, buffer in each.named_buffers():
                close(bank.buffers[name][row], buffer, name)
    shared = stack.evaluate(images[0])
    for row, each in enumerate(modules):
        with torch.no_grad():
            wanted = each.eval()(images[0])
        ours = [shared] if isinstance(shared, Tensor) else shared
        for part, reference in zip(ours, [wanted] if isinstance(wanted, Tensor) else wanted, strict=True):
            close(part[row], reference, "evaluation")


def close(found: Tensor, wanted: Tensor, what: str) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10, msg=lambda m: f"{what}: {m}")


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_lanes_compute_what_the_plain_module_computes(name: str, lanes: int) -> None:
    assert_computes_what_its_modules_compute(NETWORKS[name](), lanes, (3, 8, 8))


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: "-".join(map(str, model.values())))
def test_networks_of_the_catalogue_compute_what_they_compute_alone(model: dict[str, object], lanes: int) -> None:
    shape = (1, 28, 28) if model["name"] == "lenet" else (3, 32, 32)
    module = make_model(**model, image_shape=shape, num_classes=4, seed=1).double()
    assert_computes_what_its_modules_compute(module, lanes, shape)


@pytest.mark.parametrize("lanes", [1, 3])
def test_attached_modules_compute_what_they_compute_alone(lanes: int) -> None:
    network = make_model("small_cnn", image_shape=(1, 8, 8), num_classes=4, seed=1).double()
    module = attach(network, "all", image_shape=(1, 8, 8), num_classes=4, seed=2)
    assert_computes_what_its_modules_compute(module, lanes, (1, 8, 8))


@pytest.mark.parametrize("budget", [1, 3 * BATCH * 6 * 64 * 8])
def test_lanes_in_parts_compute_what_the_plain_module_computes(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CACHE_BYTES", budget)
    assert_computes_what_its_modules_compute(Calls(nn.BatchNorm2d(6)), 4, (3, 8, 8))


# -- how it is done -----------------------------------------------------------------------------------------------


def test_folded_functions_never_reach_the_rules_of_vmap(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = []

    def call(function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        reached.append(getattr(function, "__name__", str(function)))
        return function(*args, **kwargs)

    monkeypatch.setattr("trainables.engine.folding._call", call)
    layers = nn.Sequential(nn.BatchNorm2d(6), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1))
    stack, _, _ = stacked(Calls(layers), 3)
    stack.forward(torch.randn(3, BATCH, 3, 8, 8))
    assert "tanh" in reached
    assert not {"conv2d", "batch_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"} & set(reached)


@pytest.mark.parametrize("lanes", [1, 3])
def test_feature_maps_lie_channels_last_whatever_the_number_of_lanes(lanes: int) -> None:
    seen: list[Tensor] = []

    def look(x: Tensor) -> Tensor:
        x = F.max_pool2d(x, 2)
        if torch._C._functorch.is_batchedtensor(x):
            seen.append(torch._C._functorch.get_unwrapped(x).flatten(1, 2))
        elif x.requires_grad:
            seen.append(x)
        return x

    stack, _, _ = stacked(Calls(look), lanes)
    stack.forward(torch.randn(lanes, BATCH, 3, 8, 8))
    assert seen[-1].shape == (BATCH, 6 * lanes, 4, 4)
    assert seen[-1].is_contiguous(memory_format=torch.channels_last)


def test_parts_are_as_even_as_can_be_and_hold_all_lanes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CACHE_BYTES", 800)
    sizes = {lanes: [each.stop - each.start for each in lanes_per_part(lanes, 100)] for lanes in (1, 8, 9, 20)}
    assert sizes == {1: [1], 8: [8], 9: [4, 5], 20: [6, 7, 7]}
    assert lanes_per_part(3, 10**9) == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert lanes_per_part(3, 0) == [slice(0, 3)]


def test_networks_without_convolutions_keep_the_order_of_their_images() -> None:
    images = torch.randn(4, 3, 8, 8)
    assert wants_channels_last(Calls(nn.Identity()), images)
    assert not wants_channels_last(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), images)


def test_lanes_of_networks_without_convolutions_go_through_together_by_the_rules_of_vmap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "CACHE_BYTES", 1)
    made = [stacked(module, 3)[0] for module in (nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), Calls(nn.Identity()))]
    for stack in made:
        stack.forward(torch.randn(3, BATCH, 3, 8, 8))
    assert [(len(stack.leaves), stack.layout is nullcontext) for stack in made] == [(1, True), (3, False)]


@pytest.mark.parametrize("name", ["flat view", "as strided"])
def test_lone_network_that_asks_for_the_usual_order_gets_it(name: str) -> None:
    assert not wants_channels_last(Calls(FUNCTIONS[name]), torch.randn(4, 3, 8, 8))


def test_trying_a_layout_leaves_statistics_mode_and_random_numbers_alone() -> None:
    module = Calls(nn.Sequential(nn.BatchNorm2d(6), nn.Dropout(0.5)))
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    wants_channels_last(module.eval(), torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), state)
    assert not module.training
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_last_images_are_the_same_images(channels: int) -> None:
    images = torch.randn(4, channels, 5, 7)
    ours = channels_last(images)
    assert torch.equal(ours, images)
    assert ours.stride() == (35 * channels, 1, 7 * channels, channels)


def test_module_has_its_own_tensors_again_after_a_call_that_failed() -> None:
    stack, _, _ = stacked(Calls(nn.BatchNorm2d(6)), 3)
    assert isinstance(stack, VectorizedStack)
    own = {name: id(tensor) for name, tensor in named_tensors(stack.module).items()}
    with pytest.raises(RuntimeError):
        stack.forward(torch.randn(3, BATCH, 7, 8, 8))
    assert {name: id(tensor) for name, tensor in named_tensors(stack.module).items()} == own


def test_tied_weights_stay_tied() -> None:
    layers = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1))
    layers[2].weight = layers[0].weight
    assert_computes_what_its_modules_compute(Calls(layers), 3, (3, 8, 8))
