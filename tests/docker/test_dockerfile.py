"""The images: linted, pinned, of the versions that everything else names, and without root at run time."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docker.dockerfile import DOCKERFILE, ROOT, Stage, lineage, needed, read

STAGES = read()
TARGETS = ("cpu", "gpu", "mlflow")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def says(stage: Stage, name: str) -> list[str]:
    """The last instruction of this name in the stage and those that it is made from."""
    return [each.rest for each in (step for made in lineage(STAGES, stage.name) for step in made.all(name))][-1:]


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert not done.stdout


def test_bases_are_pinned_by_a_tag_that_names_a_whole_version() -> None:
    foreign = {stage.base for stage in STAGES.values() if stage.base not in STAGES}
    assert foreign
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z-]+", base) for base in foreign), foreign


def test_python_is_one_that_the_project_supports() -> None:
    from packaging.specifiers import SpecifierSet

    (version,) = {re.search(r"python:([\d.]+)", s.base)[1] for s in STAGES.values() if s.base not in STAGES}
    assert version in SpecifierSet(PROJECT["requires-python"])
    assert version.startswith("3.11.")  # as the wheels of constraints.txt, which were resolved for it


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_numbered_user_and_says_how_it_fares(target: str) -> None:
    stage = STAGES[target]
    (user,) = says(stage, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "Kubernetes' runAsNonRoot needs a number"
    assert says(stage, "HEALTHCHECK")


@pytest.mark.parametrize("target", TARGETS)
def test_every_installation_is_held_to_the_constraints(target: str) -> None:
    installs = [
        part
        for stage in needed(STAGES, target)
        for step in stage.all("RUN")
        for part in step.command.split("&&")
        if " install " in part and "pip" in part
    ]
    assert installs
    for each in installs:
        assert "--constraint constraints.txt" in each or each.strip().endswith("--no-deps ."), each


@pytest.mark.parametrize("target", TARGETS)
def test_a_change_of_code_installs_nothing_anew(target: str) -> None:
    code = {"study", "trainables", "search_spaces", "README.md"}
    for stage in needed(STAGES, target):
        copied = {name for step in stage.all("COPY") if step.source_stage is None for name in step.files[:-1]}
        if copied & code:
            runs = " ".join(step.command for step in stage.all("RUN"))
            assert "--no-deps ." in runs
            assert "--requirement" not in runs


def test_nodes_have_the_job_server_and_the_versions_of_constraints() -> None:
    (ray,) = [each for each in PROJECT["dependencies"] if each.startswith("ray[")]
    assert {"default", "tune"} <= set(re.search(r"\[(.*)\]", ray)[1].split(","))


def test_every_file_that_is_copied_is_let_through_to_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line[1:] for line in lines if line.startswith("!")]
    copied = {
        name
        for stage in STAGES.values()
        for step in stage.all("COPY")
        if step.source_stage is None
        for name in step.files[:-1]
    }
    assert lines[0] == "*"
    assert copied == set(let_through)
    assert all((ROOT / name).exists() for name in copied)


def test_requirements_are_those_of_the_project() -> None:
    def printed(*options: str) -> list[str]:
        command = [sys.executable, ROOT / "docker" / "requirements.py", ROOT / "pyproject.toml", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    without = printed("--without", "torch", "torchvision")
    assert set(PROJECT["dependencies"]) - set(without) == {
        each for each in PROJECT["dependencies"] if each.startswith("torch")
    }
    assert [line.partition("[")[0] for line in printed("--only", "mlflow")] == ["mlflow"]


def test_requirements_name_what_the_project_does_not_require() -> None:
    command = [sys.executable, ROOT / "docker" / "requirements.py", ROOT / "pyproject.toml", "--only", "mlfow"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not require mlfow" in done.stderr
    assert "Traceback" not in done.stderr
