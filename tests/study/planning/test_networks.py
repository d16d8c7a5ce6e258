"""Networks in a study: the command that lists them, their spelling in keys, what is refused before anything starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from study.cli import app, main
from study.cli.models import markdown_table
from study.errors import StudyError
from study.planning.feasibility import check_feasible
from study.planning.plan import Plan, make_plan
from study.spec.study_file import parse_spec
from study.spec.yaml_file import parse_document
from tests.study.conftest import SMALL, SpecMaker
from trainables.engine.session import Session
from trainables.models import MODELS

PAGE = Path(__file__).parents[3] / "docs" / "networks.md"
PlanMaker = Callable[..., Plan]


def models(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["models", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def refusal(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["study", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(said.splitlines()) == 1, said
    return said


# -- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    return {row["model"]: row for row in json.loads(models("--json"))}


def test_every_network_is_listed_with_size_arguments_and_source(rows: dict[str, Any]) -> None:
    assert rows.keys() == MODELS.keys()
    assert all(row["parameters"] > 0 and row["multiply_adds"] > 0 and row["source"] for row in rows.values())
    assert rows["resnet20"]["multiply_adds"] == 40_551_040
    assert rows["resnet20"]["image"] == [3, 32, 32]
    assert rows["resnet152"]["classes"] == 1000
    assert rows["wide_resnet"]["arguments"]["dropout"] == {
        "range": "[0, 1)", "default": 0.0, "meaning": "share dropped between the convolutions of a block",
    }  # fmt: skip


def test_the_readmes_table_of_networks_is_the_commands(rows: dict[str, Any]) -> None:
    assert markdown_table(list(rows.values())) in PAGE.read_text(encoding="utf-8"), "paste: study models --markdown"


def test_one_network_is_shown_for_the_images_and_classes_asked_for() -> None:
    facts = json.loads(models("resnet20", "--shape", "1,28,28", "--classes", "7", "--json"))
    assert (facts["image"], facts["classes"], facts["parameters"]) == ([1, 28, 28], 7, 269_722 - 2 * 144 - 3 * 65)
    assert facts["blocks"] == ["conv_1", "conv_2", "conv_3", "conv_4"]
    assert facts["is"] == {"name": "resnet_cifar", "depth": 20, "width": 16, "shortcut": "A"}
    text = models("resnet20", "--shape", "1,28,28")
    assert "269,434 parameters" in text
    assert "conv_1, conv_2, conv_3, conv_4" in text
    assert "name: resnet_cifar" in text


def test_networks_that_cannot_take_the_images_asked_for_are_listed_as_such() -> None:
    text = models("--shape", "1,8,8")
    assert [line.split()[1] for line in text.splitlines() if "too small" in line] == ["lenet", "age_cnn"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resnet21"], "unknown model 'resnet21'; did you mean 'resnet"),
        (["torchvision.resnt"], "unknown torchvision model 'resnt'; did you mean 'resnet"),
        (["no_such_file:Net"], "model 'no_such_file:Net': No module named 'no_such_file'"),
        (["age_cnn", "--shape", "3,32,32"], "age_cnn needs images of at least 60x60 pixels; these are 32x32"),
        (["mlp", "--shape", "3,32"], "--shape 3,32: give channels, height and width, as in --shape 3,32,32"),
        (["mlp", "--shape", "3,0,32"], "--shape 3,0,32: channels, height and width are at least 1"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(["models", *arguments], monkeypatch, capsys)


# -- in a study -----------------------------------------------------------------------------------------------------


def first_trial(plan: Plan) -> dict[str, Any]:
    return plan.cells[0].configs[0].trial(0)


def first_key(plan: Plan) -> str:
    return plan.cells[0].configs[0].trial_key(0)


def test_a_preset_and_what_it_is_are_one_trial(plan_of: PlanMaker) -> None:
    preset, written = plan_of(model="resnet20"), plan_of(model={"name": "resnet_cifar", "depth": 20})
    assert first_trial(preset)["model"] == {"name": "resnet_cifar", "depth": 20, "width": 16, "shortcut": "A"}
    assert first_key(preset) == first_key(written)
    assert first_key(preset) != first_key(plan_of(model={"name": "resnet20", "shortcut": "B"}))


def test_one_network_under_two_names_is_named_twice(make_spec: SpecMaker) -> None:
    with pytest.raises(StudyError, match="is named twice"):
        make_spec(model=["resnet20", {"name": "resnet_cifar", "depth": 20}])


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("lenet", "digits, clean, lenet: lenet needs images of at least 12x12 pixels; these are 8x8: choose"),
        ("torchvision.alexnet", "torchvision.alexnet' cannot take images of 8x8 pixels and 1 channels"),
    ],
)
def test_images_too_small_for_a_network_are_refused_before_anything_starts(
    model: str, said: str, make_spec: SpecMaker, cache: Path
) -> None:
    with pytest.raises(StudyError) as refused:
        check_feasible(make_plan(make_spec(model=model), cache), cache)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_argument_that_a_preset_fixes_is_refused_at_its_line() -> None:
    text = SMALL.replace("{name: mlp, hidden: 8}", "{name: resnet20, depth: 32}")
    with pytest.raises(StudyError, match=r"^small\.yaml:5: model: depth is 20 in model 'resnet20'; to set it, name"):
        parse_spec(parse_document(text, "small.yaml"))


@pytest.mark.parametrize(
    ("model", "modules", "said"),
    [
        ("torchvision.mobilenet_v3_small", "all", "modules = 'all': MobileNetV3 does not state its blocks; list subm"),
        ({"name": "vgg16", "width": 4}, "conv_5", "unknown block 'conv_5'; did you mean 'conv_"),
    ],
)
def test_blocks_that_a_network_does_not_state_are_refused_before_anything_starts(
    model: Any, modules: str, said: str, make_spec: SpecMaker, cache: Path
) -> None:
    family = {"family": "msl", "space": {"modules": modules}}
    with pytest.raises(StudyError) as refused:
        check_feasible(make_plan(make_spec(model=model, families=[family]), cache), cache)
    assert said in str(refused.value)


OWN = """\
from torch import nn


class Net(nn.Sequential):
    def __init__(self, image_shape, num_classes, hidden=4):
        channels, height, width = image_shape
        super().__init__(nn.Flatten(), nn.Linear(channels * height * width, hidden), nn.ReLU(),
                         nn.Linear(hidden, num_classes))
"""


def test_a_network_of_ones_own_trains_and_another_text_of_it_is_another_trial(
    plan_of: PlanMaker, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "own_nets_of_a_study.py"
    file.write_text(OWN)
    planned = plan_of(model={"name": "own_nets_of_a_study:Net", "hidden": 3}, training__epochs=1)
    trial, key = first_trial(planned), first_key(planned)
    assert trial["model"] == {"name": "own_nets_of_a_study:Net", "hidden": 3}
    assert Session(key, trial, cache).advance()["train_loss"] > 0
    file.write_text(OWN.replace("ReLU", "Tanh"))
    with pytest.raises(
        ValueError, match="the code of 'own_nets_of_a_study:Net' is not the one that the trial was plan"
    ):
        Session(key, trial, cache)
    changed = plan_of(model={"name": "own_nets_of_a_study:Net", "hidden": 3}, training__epochs=1)
    assert first_key(changed) != key
