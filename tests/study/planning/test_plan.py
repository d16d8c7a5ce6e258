"""Keys name what determines a trial's numbers, and nothing else; seeds make comparisons paired."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from study.planning.plan import Plan
from study.spec.study_file import parse_spec
from study.spec.yaml_file import parse_document
from tests.study.conftest import SMALL

PlanMaker = Callable[..., Plan]
NAMES_OF_KEYS = """
import json, sys
from pathlib import Path
from study.planning.plan import make_plan
from study.spec.study_file import parse_spec
from study.spec.yaml_file import parse_document
plan = make_plan(parse_spec(parse_document(sys.argv[1], "small.yaml")), Path(sys.argv[2]))
configs = [config for cell in plan.cells for config in cell.configs]
trials = [c.trial_key(r) for c in configs for r in range(2)]
print(json.dumps([[c.key for c in plan.cells], [c.key for c in configs], trials]))
"""


def trial_keys(plan: Plan) -> list[str]:
    repeats = range(plan.spec.search.repeats)
    return [config.trial_key(r) for cell in plan.cells for config in cell.configs for r in repeats]


def cell_and_config_keys(plan: Plan) -> list[list[str]]:
    return [[cell.key for cell in plan.cells], [c.key for cell in plan.cells for c in cell.configs]]


def test_the_plan_is_every_family_on_every_task(plan_of: PlanMaker) -> None:
    plan = plan_of()
    assert [(cell.name, cell.task.title) for cell in plan.cells] == [
        ("ce", "digits, clean, mlp hidden=8"),
        ("tce", "digits, clean, mlp hidden=8"),
        ("ce", "digits, uniform 0.4, mlp hidden=8"),
        ("tce", "digits, uniform 0.4, mlp hidden=8"),
    ]
    assert [cell.num_configs for cell in plan.cells] == [1, 3, 1, 3]
    assert plan.num_trials == len(set(trial_keys(plan))) == 16


def test_keys_are_the_same_in_another_process(plan_of: PlanMaker, cache: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NAMES_OF_KEYS, SMALL, str(cache)],
        capture_output=True, text=True, timeout=60, check=True,
        env={"PYTHONHASHSEED": "123", "PATH": ""}, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    plan = plan_of()
    assert json.loads(done.stdout) == [*cell_and_config_keys(plan), trial_keys(plan)]


def with_alphas(*points: float) -> dict[str, Any]:
    return {"families": ["ce", {"family": "tce", "space": {"alpha": {"grid": list(points)}}}]}


SAME_NUMBERS: dict[str, dict[str, Any]] = {
    "name": {"name": "another"},
    "description": {"description": "what it is for"},
    "scheduler": {"scheduler": {"name": "asha", "grace_epochs": 2}},
    "resources": {"resources": {"cpus": 2, "retries": 0, "report_interval_s": 9}},
    "tracking": {"tracking": {"enabled": True, "uri": "http://localhost:5000"}},
    "selection": {"select": {"metric": "val_loss", "labels": "clean"}},
    "a default written out": {"training__batch_size": 64, "training__schedule": "cosine"},
    "a whole number for a real one": with_alphas(0.5, 1, 1.5),
}


@pytest.mark.parametrize("change", SAME_NUMBERS)
def test_what_changes_no_number_changes_no_key(change: str, plan_of: PlanMaker) -> None:
    assert trial_keys(plan_of(**SAME_NUMBERS[change])) == trial_keys(plan_of())


def test_a_learning_rate_of_1_is_one_of_1_point_0(plan_of: PlanMaker) -> None:
    whole = plan_of(training__optimizer={"name": "sgd", "lr": 1, "weight_decay": 0})
    real = plan_of(training__optimizer={"name": "sgd", "lr": 1.0, "weight_decay": 0.0})
    assert trial_keys(whole) == trial_keys(real)


def test_the_order_of_keys_in_the_file_changes_no_key(plan_of: PlanMaker, cache: Path) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(each) for key, each in reversed(value.items())}
        return value

    from study.planning.plan import make_plan

    document = parse_document(SMALL, "small.yaml")
    document.values = turned(document.values)
    assert next(iter(document.values)) == "tracking"
    plan = make_plan(parse_spec(document), cache)
    assert (cell_and_config_keys(plan), trial_keys(plan)) == (cell_and_config_keys(plan_of()), trial_keys(plan_of()))


OTHER_NUMBERS: dict[str, dict[str, Any]] = {
    "epochs": {"training__epochs": 8},
    "batch size": {"training__batch_size": 32},
    "learning rate": {"training__optimizer__lr": 0.051},
    "momentum": {"training__optimizer__momentum": 0.8},
    "nesterov": {"training__optimizer__nesterov": False},
    "weight decay": {"training__optimizer__weight_decay": 1e-4},
    "optimiser": {"training__optimizer": {"name": "adamw", "lr": 0.05}},
    "schedule": {"training__schedule": "constant"},
    "clipping": {"training__clip_norm": 1.0},
    "precision": {"training__precision": "float64"},
    "hyperparameter": {"families": [{"family": "tce", "space": {"alpha": {"grid": [0.51, 1.01, 1.51]}}}]},
    "noise rate": {"noise__rate": [0.1, 0.3]},
    "seed": {"seed": 4},
    "width of the network": {"model__hidden": 9},
    "network": {"model": {"name": "small_cnn", "hidden": 8}},
    "holdout": {"dataset__holdout": 0.3},
}


@pytest.mark.parametrize("change", OTHER_NUMBERS)
def test_what_changes_numbers_changes_every_key(change: str, plan_of: PlanMaker) -> None:
    changed = trial_keys(plan_of(**OTHER_NUMBERS[change]))
    assert changed
    assert not set(changed) & set(trial_keys(plan_of()))


def test_no_two_changes_make_the_same_key(plan_of: PlanMaker) -> None:
    plans = [trial_keys(plan_of(**change)) for change in OTHER_NUMBERS.values()]
    assert all(not set(one) & set(other) for one, other in combinations(plans, 2))


def test_every_family_of_a_repeat_has_its_seeds_and_its_mask(plan_of: PlanMaker) -> None:
    plan = plan_of()
    for repeat in range(2):
        trials = [config.trial(repeat) for cell in plan.cells for config in cell.configs]
        assert len(trials) == 8
        assert len({json.dumps(trial["seeds"]) for trial in trials}) == 1
        assert len({json.dumps(trial["noise"]) for trial in trials}) == 2  # one of each task


def test_repeats_differ_in_every_seed_but_the_split(plan_of: PlanMaker) -> None:
    plan = plan_of()
    config = plan.cells[3].configs[0]
    first, second = config.trial(0), config.trial(1)
    assert first["split"] == second["split"]
    assert first["noise"]["seed"] != second["noise"]["seed"]
    assert set(first["seeds"]) == {"weights", "order", "augmentation"}
    assert all(first["seeds"][use] != second["seeds"][use] for use in first["seeds"])
    assert len({*first["seeds"].values(), first["noise"]["seed"], first["split"]["seed"]}) == 5


def test_the_split_is_one_for_the_whole_study(plan_of: PlanMaker) -> None:
    plan = plan_of()
    splits = [c.trial(r)["split"] for cell in plan.cells for c in cell.configs for r in range(2)]
    assert all(split == splits[0] for split in splits)
    other = plan_of(seed=4)
    assert other.cells[0].configs[0].trial(0)["split"]["seed"] != splits[0]["seed"]


GROWTH: dict[str, dict[str, Any]] = {
    "repeats": {"search__repeats": 4},
    "families": {"families": ["label_smoothing", *with_alphas(0.5, 1.0, 1.5)["families"]]},
    "noise rates": {"noise__rate": [0.2, 0.0, 0.4]},
    "networks": {"model": [{"name": "small_cnn"}, {"name": "mlp", "hidden": 8}]},
    "points of a space": with_alphas(0.25, 0.5, 1.0, 1.5, 2.0),
}


@pytest.mark.parametrize("growth", GROWTH)
def test_a_study_that_grows_keeps_its_keys(growth: str, plan_of: PlanMaker) -> None:
    before, after = plan_of(), plan_of(**GROWTH[growth])
    assert set(trial_keys(before)) < set(trial_keys(after))
    assert {cell.key for cell in before.cells} <= {cell.key for cell in after.cells}


@pytest.mark.parametrize("name", ["random", "quasi_random"])
def test_a_search_that_grows_keeps_its_keys(name: str, plan_of: PlanMaker) -> None:
    lr = {"loguniform": [0.01, 0.2]}
    small, large = (
        plan_of(search={"name": name, "configs": n, "repeats": 1}, training__optimizer__lr=lr) for n in (4, 7)
    )
    assert set(trial_keys(small)) < set(trial_keys(large))
    assert large.num_trials == 28


def test_searched_training_settings_reach_the_trial(plan_of: PlanMaker) -> None:
    space = {"alpha": 1.0, "training.optimizer.lr": {"grid": [0.1, 0.2]}, "training.batch_size": {"grid": [32]}}
    plan = plan_of(families=[{"family": "tce", "space": space}], noise__rate=0.0)
    trials = [config.trial(0) for config in plan.cells[0].configs]
    assert [trial["training"]["optimizer"]["lr"] for trial in trials] == [0.1, 0.2]
    assert {trial["training"]["batch_size"] for trial in trials} == {32}
    assert {json.dumps(trial["loss"]) for trial in trials} == {'{"family": "tce", "alpha": 1.0}'}


def test_two_labels_of_one_family_share_a_trial_and_are_two_cells(plan_of: PlanMaker) -> None:
    low = {"family": "tce", "label": "low", "space": {"alpha": {"grid": [0.5, 1.0]}}}
    high = {"family": "tce", "label": "high", "space": {"alpha": {"grid": [1.0, 2.0]}}}
    plan = plan_of(families=[low, high], noise__rate=0.0)
    assert plan.cells[0].key != plan.cells[1].key
    first, second = ([config.trial_key(0) for config in cell.configs] for cell in plan.cells)
    assert (first[1], len({*first, *second})) == (second[0], 3)
