"""Noise in the study file: what may be asked for, which tasks and keys it makes, and what is refused where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from study.cli import app
from study.errors import PlacedStudyError, StudyError
from study.planning.agenda import cell_facts
from study.planning.plan import Plan, make_plan
from study.records.paths import Home, StudyPaths
from study.results.selection import comparison, differing_labels
from study.spec import StudySpec
from study.spec.study_file import load_spec, parse_spec, with_its_line
from study.spec.yaml_file import override, parse_document
from study.tracking.pictures import Pictures
from study.tracking.words import flat_params, trial_run_name
from tests.study.conftest import SMALL
from trainables.data.task import load_task

NOISE = "noise: {kind: uniform, rate: [0.0, 0.4]}"
PlanMaker = Callable[..., Plan]
SEVENS = {"kind": "asymmetric", "rate": [0.0, 0.4], "mapping": {"7": "1"}}


def study_of(noise: str) -> str:
    assert SMALL.count(NOISE) == 1
    return SMALL.replace(NOISE, f"noise: {noise}")


def parse(noise: str, *overrides: str) -> StudySpec:
    document = parse_document(study_of(noise), "small.yaml")
    override(document, overrides)
    return parse_spec(document)


def noises(plan: Plan) -> list[str]:
    return list(dict.fromkeys(cell.task.noise.name for cell in plan.cells))


def first_keys(plan: Plan) -> list[str]:
    return [cell.configs[0].trial_key(0) for cell in plan.cells]


def write_labels(path: Path, every: int = 9, size: int = 1437) -> Path:
    """Labels of the pool of digits of which some are wrong."""
    np.save(path, np.arange(size) % every % 10)
    return path


# -- what may be asked for ------------------------------------------------------------------------------------------


def test_several_kinds_make_one_clean_task_and_one_each_of_the_others(plan_of: PlanMaker) -> None:
    asked = [{"kind": "uniform", "rate": [0.0, 0.2]}, {"kind": "pair", "rate": [0, 0.4]}, SEVENS, {"kind": "none"}]
    plan = plan_of(noise=asked)
    assert noises(plan) == ["clean", "uniform 0.2", "pair 0.4", "asymmetric 0.4"]
    assert len(set(first_keys(plan))) == len(plan.cells) == 8


@pytest.mark.parametrize("kind", ["uniform", "symmetric", "pair", "instance"])
def test_the_clean_task_is_the_same_trial_whatever_the_kind(kind: str, plan_of: PlanMaker) -> None:
    clean = plan_of(noise={"kind": "none"})
    plan = plan_of(noise={"kind": kind, "rate": 0})
    assert first_keys(plan) == first_keys(clean)
    assert [cell.key for cell in plan.cells] == [cell.key for cell in clean.cells]
    trials = [plan.cells[0].configs[0].trial(repeat) for repeat in (0, 1)]
    assert [trial["noise"] for trial in trials] == [{"kind": "none", "rate": 0.0}] * 2


def test_no_noise_at_all_is_a_clean_task(make_spec: Callable[..., StudySpec], cache: Path) -> None:
    document = parse_document(SMALL.replace(NOISE + "\n", ""), "small.yaml")
    assert noises(make_plan(parse_spec(document), cache)) == ["clean"]


def test_a_short_form_with_a_rate_alone_is_uniform() -> None:
    assert parse("{rate: 0.4}").noise[0].described() == [{"kind": "uniform", "rate": 0.4}]


def test_overrides_reach_into_a_list_of_noises() -> None:
    found = parse("[{kind: uniform, rate: 0.2}, {kind: pair, rate: 0.2}]", "noise.1.rate=0.3").noise
    assert [noise.rate for noise in found] == [[0.2], [0.3]]


def test_a_noise_without_rate_is_shown_with_the_rate_that_came_of_it(plan_of: PlanMaker, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "given.npy")
    plan = plan_of(noise={"kind": "file", "path": str(path)})
    cell = plan.cells[0]
    trial, facts = cell.configs[0].trial(0), cell_facts(cell)
    data = load_task(trial["dataset"], trial["split"], trial["noise"], tmp_path)
    assert facts["noise"] == "file given"
    assert facts["noise_rate"] == data.realised_rate > 0.8
    assert set(trial["noise"]) == {"kind", "path", "digest"}
    assert "noise_rate" not in flat_params(trial, 0)
    assert trial_run_name(facts, {}, 0) == "ce file given seed 0"
    assert json.loads(json.dumps(trial)) == trial


# -- keys -----------------------------------------------------------------------------------------------------------


def test_a_file_counts_by_its_content_wherever_it_lies(plan_of: PlanMaker, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    here, there = write_labels(tmp_path / "l.npy"), write_labels(tmp_path / "sub" / "m.npy")
    other = write_labels(tmp_path / "other.npy", every=8)
    one, same, another = (first_keys(plan_of(noise={"kind": "file", "path": str(p)})) for p in (here, there, other))
    assert one == same
    assert not set(one) & set(another)


def test_the_spelling_of_a_mapping_does_not_count_and_its_content_does(plan_of: PlanMaker) -> None:
    one, same, other = (
        first_keys(plan_of(noise={"kind": "asymmetric", "rate": 0.4, "mapping": mapping}))
        for mapping in ({"7": "1", "2": "7"}, {"2": 7, "7": 1}, {"7": "1"})
    )
    assert one == same
    assert not set(one) & set(other)


def test_every_kind_makes_keys_of_its_own(plan_of: PlanMaker) -> None:
    kinds = [{"kind": kind, "rate": 0.4} for kind in ("uniform", "symmetric", "pair", "instance")]
    keys = [key for kind in [*kinds, SEVENS | {"rate": 0.4}] for key in first_keys(plan_of(noise=kind))]
    matrix = {"kind": "matrix", "matrix": np.eye(10).tolist()}
    keys += first_keys(plan_of(noise=matrix))
    assert len(set(keys)) == len(keys) == 12


def test_a_label_is_in_titles_and_in_no_key(plan_of: PlanMaker) -> None:
    plain, labelled = plan_of(noise=SEVENS), plan_of(noise=SEVENS | {"label": "sevens"})
    assert noises(labelled) == ["clean", "asymmetric sevens 0.4"]
    assert first_keys(plain) == first_keys(labelled)


# -- refusals -------------------------------------------------------------------------------------------------------

MISTAKES = {
    # mistake: (noise, what is said)
    "unknown kind": ("{kind: unifrom, rate: 0.4}", "4: noise.kind: unknown noise 'unifrom'; did you mean 'uniform'?"),
    "no rate": ("{kind: pair}", "4: noise 'pair' needs a rate"),
    "rate of a file": ("{kind: file, path: l.npy, rate: 0.4}", "4: noise.rate: noise 'file' has no rate"),
    "rate of a matrix": ("{kind: matrix, matrix: [[1]], rate: 0.4}", "4: noise.rate: noise 'matrix' has no rate"),
    "option of another kind": ("{kind: pair, rate: 0.4, key: a}", "4: noise.key: unknown option 'key'; noise"),
    "unknown option": ("{kind: file, pth: l.npy}", "4: noise.pth: unknown key 'pth'; did you mean 'path'?"),
    "file without a path": ("{kind: file}", "4: noise 'file' needs path"),
    "rate over 1 in a list": (
        "\n  - {kind: pair, rate: 0.2}\n  - {kind: uniform, rate: [0.2, 1.4]}",
        "6: noise.1.rate.1 = 1.4: it should be less than or equal to 1",
    ),
    "row that does not sum to one": (
        "\n  kind: matrix\n  matrix:\n    - [0.7, 0.2]\n    - [0, 1]",
        "6: noise.matrix: row 0 of matrix sums to 0.9; row i",
    ),
    "a word in a matrix": ("{kind: matrix, matrix: [[a]]}", "4: noise.matrix.0.0 = \"a\": it should be a number"),
    "one task twice": (
        "[{kind: pair, rate: [0, 0.2]}, {kind: pair, rate: [0, 0.2]}]",
        "4: noise: give one of them a label: noise pair 0.2 is named twice",
    ),
    "no noise in a list": ("[]", "4: noise = []: it should have at least 1 item"),
    "a number for a mapping": ("{kind: asymmetric, rate: 0.4, mapping: 7}", "4: noise.mapping = 7: it should be"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_line(mistake: str) -> None:
    noise, said = MISTAKES[mistake]
    with pytest.raises(StudyError) as refused:
        parse(noise)
    assert str(refused.value).startswith(f"small.yaml:{said}"), str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


MISFITS = {
    "unknown class": (
        "{kind: asymmetric, rate: 0.4, mapping: {seven: '1'}}",
        "4: noise.mapping: unknown class 'seven'; classes: 0, 1",
    ),
    "no usual mapping": ("{kind: asymmetric, rate: 0.4}", "4: noise 'asymmetric' has a usual mapping for"),
    "matrix of other classes": (
        "\n  - {kind: pair, rate: 0.2}\n  - kind: matrix\n    matrix: [[1, 0], [0, 1]]",
        "7: noise.1.matrix: matrix is for 2 classes; the data set has 10",
    ),
    "number of labels": ("\n  kind: file\n  path: short.npy", "6: noise.path: "),
}


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]], ids=["launch", "dry run"])
@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_the_data_is_refused_with_its_line_before_anything_starts(
    misfit: str, dry_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    noise, said = MISFITS[misfit]
    monkeypatch.setenv("STUDY_HOME", str(tmp_path / "home"))
    write_labels(tmp_path / "short.npy", size=100)
    file = tmp_path / "small.yaml"
    file.write_text(study_of(noise))
    result = CliRunner().invoke(app, ["launch", str(file), *dry_run])
    assert isinstance(result.exception, StudyError)
    assert str(result.exception).startswith(f"{file}:{said}")
    assert not (tmp_path / "home" / "small").exists()


def test_the_number_of_labels_that_is_expected_is_said(plan_of: PlanMaker, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "short.npy", size=100)
    with pytest.raises(PlacedStudyError, match=r"noise\.0\.path: .*100 labels; 1437 are expected"):
        plan_of(noise={"kind": "file", "path": str(path)})


def test_a_path_counts_from_the_study_files_folder(tmp_path: Path, cache: Path) -> None:
    write_labels(tmp_path / "given.npy")
    file = tmp_path / "small.yaml"
    file.write_text(study_of("[{kind: pair, rate: 0.2}, {kind: file, path: given.npy}]"))
    spec, document = load_spec(file)
    assert spec.noise[1].path == str(tmp_path / "given.npy")
    assert noises(make_plan(spec, cache)) == ["pair 0.2", "file given"]
    assert str(tmp_path / "given.npy") in document.as_launched()
    file.write_text(study_of("\n  - {kind: pair, rate: 0.2}\n  - {kind: file,\n     path: absent.npy}"))
    with pytest.raises(
        StudyError, match=r"small\.yaml:7: noise\.1\.path: there is no file .*absent\.npy; correct the path"
    ):
        load_spec(file)
    file.write_text(study_of("{kind: file, path: absent.npy}"))
    with pytest.raises(StudyError, match=r"small\.yaml:4: noise\.path: there is no file .*absent\.npy"):
        load_spec(file)


def test_a_place_is_found_where_a_list_is_written_as_its_only_element() -> None:
    document = parse_document(study_of("{kind: pair, rate: 0.2}"), "small.yaml")
    said = str(with_its_line(PlacedStudyError(("noise", 0, "mapping"), "no"), document))
    assert said == "small.yaml:4: noise.mapping: no"


# -- what is shown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "files"), [(0.4, ["noise.json", "noise.png"]), (0.0, ["noise.json"])])
def test_a_cells_run_gets_the_manifest_and_a_picture_where_labels_were_changed(
    rate: float, files: list[str], plan_of: PlanMaker, cache: Path, tmp_path: Path
) -> None:
    trial = plan_of(noise={"kind": "pair", "rate": rate}).cells[0].configs[0].trial(0)
    home = Home(tmp_path)
    drawn = Pictures(home, StudyPaths(tmp_path / "small")).draw_noise(trial, tmp_path)
    assert [path.name for path in drawn] == files
    manifest = json.loads(drawn[0].read_text())
    assert manifest["requested_rate"] == rate
    assert np.array(manifest["transition"]).shape == (10, 10)


def test_families_that_were_trained_on_different_noisy_labels_are_named() -> None:
    row: dict[str, Any] = {"dataset": "digits", "noise": "pair 0.4", "model": "mlp", "noise_digests": {0: "a", 1: "b"}}
    assert differing_labels([row, row | {"noise_digests": {0: "a"}}]) == []
    assert differing_labels([row, row | {"noise": "uniform 0.4", "noise_digests": {0: "c"}}]) == []
    assert differing_labels([row, row | {"noise_digests": {1: "c"}}]) == ["digits, pair 0.4, mlp"]
    assert comparison([]) == []
