"""The journal of proposers that learn: launches that die at any write, and journals that hold what nobody wrote."""

from __future__ import annotations

import copy
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from study.search import Params, Proposer, make_proposer
from study.search.record import Record
from study.search.translate import optuna_distribution
from study.spec import SearchSpec
from study.spec.spaces import Distribution
from tests.study.mutations import VALUES, walk

Space = dict[str, Any]
SPACE: Space = {"lr": Distribution("loguniform", (1e-3, 1.0)), "alpha": Distribution("uniform", (0.25, 2.0))}
FEW: Space = {"a": Distribution("grid", (0.1, 0.2, 0.3)), "b": Distribution("integer", (1, 3))}  # soon repeated
STOPPED = 2  # the epoch of those that are stopped early


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)


def how_it_did(number: int, params: Params) -> tuple[float | None, int | None]:
    """One of six diverged, one was stopped early."""
    if number % 6 == 3:
        return None, None
    return -sum(params.values()), STOPPED if number % 6 == 4 else None


@dataclass
class Ledger:
    """What a study knows beside its journal: configs in the order in which they were proposed."""

    path: Path
    name: str = "tpe"
    space: Space = field(default_factory=lambda: SPACE)
    configs: list[Params] = field(default_factory=list)
    cells: tuple[str, ...] = ("cell",)

    def launch(self, size: int) -> Record:
        """Each cell's proposer is asked for `size` configs, and told how they did; the configs are the first's."""
        record = Record(self.path)
        proposers = [self.proposer(record, cell, size) for cell in self.cells]
        for number in range(size):
            asked = [proposer.ask() for proposer in proposers]
            for proposer, params in zip(proposers, asked, strict=True):
                assert params is not None
                if proposer is proposers[0] and number >= len(self.configs):
                    self.configs.append(params)
                score, stopped_at = how_it_did(number, params)
                proposer.tell(params, score, stopped_at=stopped_at)
            assert asked[0] == self.configs[number], "a config of an earlier launch is not proposed again"
        assert [proposer.ask() for proposer in proposers] == [None] * len(proposers)
        return record

    def proposer(self, record: Record | None, cell: str, size: int) -> Proposer:
        found = make_proposer(
            SearchSpec(name=self.name, configs=size), self.space, 5, record.part(cell) if record else None
        )
        for params in self.configs:
            assert found.recall(params)
        return found

    @property
    def was_set_aside(self) -> bool:
        return Path(f"{self.path}.damaged").exists()

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """Those of the first cell, as any reader of the journal sees them."""
        storage = Record(self.path).storage
        (study,) = [each for each in optuna.get_all_study_names(storage) if each.startswith(self.cells[0])]
        found = optuna.load_study(study_name=study, storage=storage)
        assert found.direction.name == "MAXIMIZE"
        return found.get_trials()

    def assert_sound(self) -> None:
        """The journal has every config of the study as it did, and no trial that nobody ends."""
        trials = self.trials()
        assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED", "FAIL"}
        by_state: dict[str, list[Params]] = {}
        for trial in trials:
            by_state.setdefault(trial.state.name, []).append(trial.params)
        for number, params in enumerate(self.configs):
            score, stopped_at = how_it_did(number, params)
            state = "FAIL" if score is None else "COMPLETE" if stopped_at is None else "PRUNED"
            assert params in by_state[state]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "search.journal")


class TestALaunchThatDies:
    @pytest.mark.parametrize(("name", "space"), [("tpe", SPACE), ("tpe", FEW), ("cma_es", SPACE)])
    def test_at_any_write_leaves_a_journal_that_the_next_goes_on_with(
        self, name: str, space: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, left = JournalFileBackend.append_logs, [0]

        def dies(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            write(self, logs)

        monkeypatch.setattr(JournalFileBackend, "append_logs", dies)
        for instant in range(1, 10_000, 1 if name == "tpe" else 3):
            ledger = Ledger(tmp_path / f"{instant}.journal", name, space)
            left[0] = instant
            try:
                ledger.launch(8)
            except KeyboardInterrupt:
                left[0] = 0
                ledger.launch(8)
                ledger.assert_sound()
                assert not ledger.was_set_aside
            else:
                break
        assert instant > 30

    def test_with_its_last_lines_lost_too(self, ledger: Ledger) -> None:
        ledger.launch(8)
        lines = ledger.path.read_bytes().splitlines(keepends=True)
        for kept in range(len(lines)):
            ledger.path.write_bytes(b"".join(lines[:kept]))
            ledger.launch(8)
            ledger.assert_sound()
        assert not ledger.was_set_aside

    def test_of_an_older_version_left_a_config_that_was_queued(self, ledger: Ledger) -> None:
        ledger.launch(4)
        record = Record(ledger.path)
        (name,) = optuna.get_all_study_names(record.storage)
        study = optuna.load_study(study_name=name, storage=record.storage)
        study.enqueue_trial({"lr": 0.1, "alpha": 1.0})
        ledger.launch(6)
        ledger.assert_sound()
        assert not ledger.was_set_aside
        assert [trial.state.name for trial in ledger.trials() if trial.user_attrs == {"left unfinished": True}] == [
            "FAIL"
        ]


def mutants(journal: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The journal with one value changed, or taken out, in one of its lines."""
    random, lines = Random(seed), [json.loads(line) for line in journal.splitlines()]
    for _ in range(count):
        changed = copy.deepcopy(lines)
        *above, last = random.choice([path for path, _ in walk(changed) if len(path) > 1])
        holder: Any = changed
        for step in above:
            holder = holder[step]
        if random.random() < 0.1:
            del holder[last]
        else:
            number = holder[last] if isinstance(holder[last], int | float) else 1
            holder[last] = copy.deepcopy(random.choice((*VALUES, -number, number + 1, *range(5))))
        yield b"".join(json.dumps(line).encode() + b"\n" for line in changed)


class TestAJournal:
    @pytest.mark.parametrize(("name", "count", "size"), [("tpe", 240, 14), ("cma_es", 60, 7)])
    def test_with_any_value_changed_serves_or_is_made_again(
        self, name: str, count: int, size: int, ledger: Ledger
    ) -> None:
        ledger.name = name
        ledger.launch(size)
        journal, before, set_aside = ledger.path.read_bytes(), list(ledger.configs), 0
        for mutant in mutants(journal, count, seed=8):
            ledger.path.write_bytes(mutant)
            ledger.configs = list(before)
            ledger.launch(size + 1)
            ledger.assert_sound()
            set_aside += ledger.was_set_aside
            Path(f"{ledger.path}.damaged").unlink(missing_ok=True)
        assert 0 < set_aside < count

    @pytest.mark.parametrize(
        ("holds", "place", "value"),
        [
            ({"op_code": 6, "state": 1}, "values", []),
            ({"op_code": 5, "param_name": "lr"}, "param_value_internal", -0.1),
            ({"op_code": 6, "state": 1}, "state", 2),
            ({"op_code": 0}, "directions", [1]),
            ({"op_code": 5, "param_name": "lr"}, "distribution", json.dumps({"name": "FloatDistribution"})),
        ],
        ids=["no score", "a negative rate", "a pruned trial without a score", "less is better", "no interval"],
    )
    def test_of_sound_lines_that_say_what_cannot_be_is_made_again(
        self, holds: dict[str, Any], place: str, value: Any, ledger: Ledger
    ) -> None:
        ledger.launch(7)
        lines = [json.loads(line) for line in ledger.path.read_bytes().splitlines()]
        next(line for line in lines if holds.items() <= line.items())[place] = value
        ledger.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        ledger.launch(8)
        ledger.assert_sound()

    def test_that_a_call_fails_upon_in_mid_study_is_made_again_for_every_cell(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger.cells = ("cell", "another cell")
        ask, asked = optuna.Study.ask, [0]

        def stumbles(self: optuna.Study, *arguments: Any) -> optuna.Trial:
            asked[0] += 1
            if asked[0] == 10:
                raise IndexError("list index out of range")
            return ask(self, *arguments)

        monkeypatch.setattr(optuna.Study, "ask", stumbles)
        ledger.launch(8)
        assert ledger.was_set_aside
        ledger.assert_sound()
        ledger.cells = ledger.cells[::-1]
        assert sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in ledger.trials()) >= 6

    def test_of_which_a_new_one_is_no_better_is_not_to_blame(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: optuna.Study, *arguments: Any) -> optuna.Trial:
            raise IndexError("a mistake of ours")

        monkeypatch.setattr(optuna.Study, "ask", broken)
        with pytest.raises(IndexError, match="ours"):
            ledger.launch(8)

    def test_for_which_there_is_no_room_says_so_and_goes_on_with_room(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        ledger.launch(4)
        record = Record(ledger.path)
        proposer = ledger.proposer(record, "cell", 8)
        assert [proposer.ask() for _ in range(4)] == ledger.configs
        with monkeypatch.context() as patched:
            patched.setattr(JournalFileBackend, "append_logs", full)
            with pytest.raises(OSError, match="No space"):
                proposer.ask()
        assert record.failure == f"{ledger.path}: No space left on device"
        ledger.launch(8)
        ledger.assert_sound()
        assert not ledger.was_set_aside


def test_a_space_in_optunas_words_comes_back_from_a_journal(ledger: Ledger) -> None:
    ledger.space = FEW | SPACE | {"on": Distribution("grid", ("lda", {"name": "order", "r": 0.3}))}
    distributions = {key: optuna_distribution(value) for key, value in ledger.space.items()}
    record = Record(ledger.path)
    ledger.proposer(record, "cell", 3).ask()
    (trial,) = ledger.trials()
    assert trial.distributions == distributions
    assert ledger.proposer(Record(ledger.path), "cell", 3).ask() is not None
    assert not ledger.was_set_aside
