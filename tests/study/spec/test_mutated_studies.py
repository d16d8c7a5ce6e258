"""Study files and overrides as nobody should write them: accepted, or refused in one line; nothing runs or is written.

Every example comes from a seed: `mutated_text(text, Random(seed))` makes it again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from study.errors import LONGEST, StudyError
from study.planning import pilot
from study.records.paths import find_study_file, preset_names
from study.spec.yaml_file import parse_document, to_yaml
from tests.study.commands import Said, check_answer, check_no_cluster, run
from tests.study.conftest import SMALL
from tests.study.mutations import BOMBS, FOREIGN, mutated_assignment, mutated_text

ROOT = Path(__file__).parents[3]
SEEDS = st.integers(0, 2**32 - 1)
Launch = Callable[..., Said]


def examples(count: int) -> Any:
    return settings(
        max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )


def shipped() -> list[str]:
    """Every preset, as it is and on a data set that needs no files, and the examples of the documents."""
    presets = [find_study_file(name).read_text() for name in preset_names()]
    at_hand = [to_yaml(parse_document(text, "a preset").values | {"dataset": "digits"}) for text in presets]
    blocks = re.findall(r"```yaml\n(name: .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [SMALL, *presets, *at_hand, *blocks]


TEXTS = shipped()


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`study launch study.yaml --dry-run` of given bytes, in a folder where nothing but the cache may come to lie."""
    folder = tmp_path_factory.mktemp("mutated")

    def launch(data: bytes, *overrides: str) -> Said:
        (folder / "study.yaml").write_bytes(data)
        said = run("launch", "study.yaml", "--dry-run", *(word for each in overrides for word in ("--set", each)))
        assert {path.name for path in folder.iterdir()} <= {"study.yaml", "studies"}
        assert {path.name for path in folder.glob("studies/*")} <= {".cache"}
        check_no_cluster()
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("STUDY_HOME", str(folder / "studies"))
        patch.setattr(
            pilot, "_pilot", lambda plan, home, gauge: pilot.Pace.of([0.1])
        )  # a study that is accepted is not trained
        yield launch


def any_study_file(launch: Launch, seed: int) -> None:
    random = Random(seed)
    data = mutated_text(random.choice(TEXTS), random, (random.choice(TEXTS),))
    check_answer(launch(data))


def any_override(launch: Launch, seed: int) -> None:
    random = Random(seed)
    text = random.choice(TEXTS)
    assignment = mutated_assignment(parse_document(text, "a study").values, random)
    check_answer(launch(text.encode(), assignment))


@examples(300)
@given(seed=SEEDS)
def test_any_study_file_is_accepted_or_refused_in_one_line(launch: Launch, seed: int) -> None:
    any_study_file(launch, seed)


@examples(100)
@given(seed=SEEDS)
def test_any_override_is_accepted_or_refused_in_one_line(launch: Launch, seed: int) -> None:
    any_override(launch, seed)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@examples(2000)
@given(seed=SEEDS)
def test_two_thousand_study_files_are_accepted_or_refused_in_one_line(launch: Launch, seed: int) -> None:
    any_study_file(launch, seed)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@examples(500)
@given(seed=SEEDS)
def test_five_hundred_overrides_are_accepted_or_refused_in_one_line(launch: Launch, seed: int) -> None:
    any_override(launch, seed)


@pytest.mark.parametrize("bomb", range(len(BOMBS)))
def test_a_bomb_is_refused_or_read_at_once(launch: Launch, bomb: int) -> None:
    check_answer(launch(BOMBS[bomb](SMALL, Random(0)).encode("utf-8", "surrogatepass")))


@pytest.mark.parametrize("foreign", range(len(FOREIGN)))
def test_a_file_of_another_kind_is_refused(launch: Launch, foreign: int) -> None:
    said = launch(FOREIGN[foreign])
    assert said.code == 2
    check_answer(said)


# -- what these found, each by name ---------------------------------------------------------------------------------


def test_a_version_of_yaml_that_does_not_exist_is_refused(launch: Launch) -> None:
    assert "not YAML: version minor part can only be" in launch(b"%YAML 1.3\n---\nname: x\n").err


def test_a_message_that_quotes_much_keeps_its_beginning_and_its_end() -> None:
    said = str(StudyError(f"study.yaml:3: seed = {'9' * 20_000}: it should be a whole number"))
    assert len(said) <= LONGEST + 5
    assert said.startswith("study.yaml:3: seed = 999")
    assert said.endswith("9: it should be a whole number")


def test_an_override_of_many_characters_is_refused_in_a_line_that_can_be_read(launch: Launch) -> None:
    said = launch(SMALL.encode(), f"search={'x' * 20_000}")
    check_answer(said)
    assert "it should be 'grid', 'random'" in said.err


def test_an_unknown_name_of_many_characters_is_cut(launch: Launch) -> None:
    said = launch(SMALL.encode(), f"training.optimizer.name={'x' * 400}")
    assert "'" + "x" * 80 + "...'" in said.err
    assert "known: sgd, adam, adamw" in said.err


def test_a_family_in_a_module_that_ends_the_program_is_refused(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "a_script_that_leaves.py").write_text("raise SystemExit(0)\n")
    sys.path.append(str(tmp_path))
    try:
        said = launch(SMALL.encode(), "families=['a_script_that_leaves:Loss']")
    finally:
        sys.path.remove(str(tmp_path))
    assert said.code == 2
    assert "importing 'a_script_that_leaves': SystemExit" in said.err


ALONE = {
    "bytes": b"\x00\xff" * 50,
    "brackets": b"name: " + b"[" * 30_000,
    "tag": b"!!python/object/apply:os.abort []\n",
}


@pytest.mark.parametrize("what", ALONE)
def test_a_process_of_its_own_says_the_same(what: str, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes(ALONE[what])
    done = subprocess.run(
        [sys.executable, "-c", "from study.cli import main; main()", "launch", "study.yaml", "--dry-run"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "STUDY_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    check_answer(Said(done.returncode, done.stdout, done.stderr))
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
