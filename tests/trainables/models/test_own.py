"""A network of the user's own, by import path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainables.kinds import Choice
from trainables.models import check_fits, check_model, complete_model, get_model, make_model, smallest
from trainables.own import load_object, source_digest

NETS = '''\
import torch
from torch import nn
from trainables.kinds import Choice
from {helper} import WIDTH


class Mine(nn.Sequential):
    """A line about it."""

    paper = "ours"
    arguments = {{"activation": Choice("relu", ("relu", "tanh"))}}

    def __init__(self, image_shape, num_classes, width=WIDTH, scale=1.0, bias=True, activation="relu"):
        channels, height, breadth = image_shape
        act = nn.ReLU() if activation == "relu" else nn.Tanh()
        hidden = nn.Linear(channels * height * breadth, width, bias)
        super().__init__(nn.Flatten(), hidden, act, nn.Linear(width, num_classes))


def made(image_shape, num_classes):
    return nn.Sequential(nn.Conv2d(image_shape[0], num_classes, 9), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def normalised(image_shape, num_classes):
    return nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, num_classes))


def two_heads(image_shape, num_classes):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.LazyLinear(num_classes), nn.LazyLinear(num_classes)

        def forward(self, x):
            return [self.a(x.flatten(1)), self.b(x.flatten(1))]

    two = Two()
    two(torch.zeros(1, *image_shape))
    return two


def no_module(image_shape, num_classes):
    return "a network"


def too_many_classes(image_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes + 1))


def no_classes(image_shape):
    return nn.Flatten()


def undescribed(image_shape, num_classes, kind=None):
    return nn.Flatten()


def taken(image_shape, num_classes, seed=1):
    return nn.Flatten()


NUMBER = 5
'''
DIGITS = {"image_shape": (1, 8, 8), "num_classes": 10}


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A module of networks under a name that no other test has; gives import paths into it."""
    module = f"nets_{abs(hash(tmp_path))}"
    (tmp_path / f"{module}.py").write_text(NETS.format(helper=f"{module}_helper"))
    (tmp_path / f"{module}_helper.py").write_text("WIDTH = 6\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name: f"{module}:{name}"
    for each in (module, f"{module}_helper"):
        sys.modules.pop(each, None)


def test_class_is_called_with_the_images_the_classes_and_its_arguments(nets: Callable[[str], str]) -> None:
    net = make_model(nets("Mine"), **DIGITS, seed=1, width=3, bias=False)
    assert [tuple(p.shape) for p in net.parameters()] == [(3, 64), (10, 3), (10,)]
    again, other = (make_model(nets("Mine"), **DIGITS, seed=seed, width=3, bias=False) for seed in (1, 2))
    assert torch.equal(net[1].weight, again[1].weight)
    assert not torch.equal(net[1].weight, other[1].weight)


def test_function_that_gives_a_network_will_do_and_so_will_several_logits(nets: Callable[[str], str]) -> None:
    assert make_model(nets("made"), image_shape=(1, 9, 9), num_classes=4, seed=0)(torch.zeros(2, 1, 9, 9)).shape == (
        2,
        4,
    )
    assert len(make_model(nets("two_heads"), **DIGITS, seed=0)(torch.zeros(2, 1, 8, 8))) == 2


def test_arguments_are_those_of_the_signature_with_ranges_where_it_describes_them(nets: Callable[[str], str]) -> None:
    model = get_model(nets("Mine"))
    assert (model.title, model.paper) == ("A line about it.", "ours")
    assert complete_model(nets("Mine"), {"scale": 2}) == {
        "name": nets("Mine"), "width": 6, "scale": 2.0, "bias": True, "activation": "relu",
    }  # fmt: skip
    assert isinstance(model.arguments["activation"], Choice)
    assert smallest(nets("Mine")) == (nets("Mine"), {})
    for arguments, message in (
        ({"widht": 3}, r"unknown argument 'widht'; did you mean 'width'\?"),
        ({"width": 3.5}, r"width = 3\.5 is not a whole number"),
        ({"bias": 1}, "bias = 1 is neither true nor false"),
        ({"activation": "gelu"}, "unknown activation 'gelu'; choices: relu, tanh|unknown activation 'gelu'; did"),
    ):
        with pytest.raises(ValueError, match=message):
            check_model(nets("Mine"), arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Misnamed", r"has no 'Misnamed'$"),
        ("NUMBER", r"is neither a class nor a function"),
        ("no_classes", r"takes no num_classes; it is called with image_shape and num_classes: add them$"),
        ("undescribed", r"say what kind is"),
        ("taken", r"an argument cannot be called seed; rename it$"),
    ],
)
def test_what_cannot_be_a_network_is_refused_when_it_is_named(
    nets: Callable[[str], str], name: str, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"^model '{nets(name)}'.*{message}"):
        check_model(nets(name), {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("made", r" with images of \[1, 8, 8\]: RuntimeError: .*[Kk]ernel size"),
        ("no_module", r" with images of \[1, 8, 8\]: it gives str, not an nn\.Module$"),
        ("too_many_classes", r" gives \[2, 11\] for 2 images; logits are \[2, 10\]$"),
    ],
)
def test_network_that_cannot_take_the_images_is_refused_in_a_line_when_it_is_made(
    nets: Callable[[str], str], name: str, message: str
) -> None:
    for refuse in (check_fits, make_model):
        with pytest.raises(ValueError, match=rf"^model '{nets(name)}'{message}") as refused:
            refuse(nets(name), **DIGITS, **({"seed": 0} if refuse is make_model else {}))
        assert "\n" not in str(refused.value)


def test_trying_a_network_leaves_its_running_statistics_and_mode_as_they_are(nets: Callable[[str], str]) -> None:
    net = make_model(nets("normalised"), **DIGITS, seed=0)
    assert net.training
    assert int(net[0].num_batches_tracked) == 0


def test_digest_follows_the_file_and_what_it_imports_from_its_folder(
    nets: Callable[[str], str], tmp_path: Path
) -> None:
    module = nets("").rstrip(":")
    before = source_digest(nets("Mine"))
    (tmp_path / "unrelated.py").write_text("A = 1\n")
    assert source_digest(nets("Mine")) == before
    (tmp_path / f"{module}_helper.py").write_text("WIDTH = 7\n")
    changed = source_digest(nets("Mine"))
    (tmp_path / f"{module}.py").write_text(NETS.format(helper=f"{module}_helper") + "\n# a word\n")
    assert len({before, changed, source_digest(nets("Mine"))}) == 3
    assert all(len(each) == 16 for each in (before, changed))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "no_such_module:Net",
            r"^thing 'no_such_module:Net': No module named 'no_such_module'; modules are looked for",
        ),
        ("json:Net", r"^thing 'json:Net': module 'json' has no 'Net'$"),
        ("broken_module:Net", r"^thing 'broken_module:Net': importing 'broken_module': ZeroDivisionError: division by"),
    ],
)
def test_object_that_cannot_be_loaded_is_refused_in_a_line(
    path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_object(path, "thing")
