"""Our proposers and our ASHA, played over a frozen table: the grid's best against the epochs that it takes to find it.

    python -m benchmarks.frozen_search                  20 seeds of each search
    python -m benchmarks.frozen_search --seeds 2 --only tpe+asha

Nothing trains. `study.running.conductor.Conductor` hands out trials and decides on them as in a launch, with a launch's
proposers, ASHA and ledger; what a trial reports is read from `frozen/mnist-tce.json`. `--slots` trials run at a time,
an epoch takes each of them one unit of time, and who is done first is heard first; those that are done together are
heard in an order that the seed draws, as does a search its configs. Every search may ask for half of the grid's
configs, or for `--configs`.

A search is judged when it has spent a quarter of the grid's epochs, or has ended before: `below` is how far the config
with its best score lies below the grid's best, both as the grid scores them, in points (hundredths).
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.early_stopping import ASHA, FIGURE_HEIGHT
from benchmarks.frozen_table import STUDY, TABLE, FrozenTable, read_table
from benchmarks.machine import describe_run, headline, write_json
from benchmarks.search_curve import GOAL_POINTS, GOAL_SHARE, POINTS, Epoch, curve_of, goal_lines, save_figure
from study.planning.agenda import Todo
from study.planning.plan import make_plan
from study.records import states
from study.records.ledger import Ledger
from study.running.conductor import Conductor
from study.spec.spaces import identity_of
from study.spec.study_file import parse_spec
from study.spec.yaml_file import read_document

SEARCHES = tuple(f"{name}{asha}" for asha in ("", "+asha") for name in ("random", "quasi_random", "tpe"))
PROVEN = "tpe+asha"  # what the goal is about
FROM_EPOCHS, SHOWN_POINTS = 4, (-0.1, 2.5)  # of the figure: before, nothing is known


@dataclass(frozen=True)
class Play:
    """A search that was played: `below[i]` points below the grid's best once it had spent `epochs[i]` epochs.

    Where its best config changed, and at the end.
    """

    search: str
    seed: int
    configs: int
    epochs: list[int]
    below: list[float]

    def at(self, epochs: float) -> float:
        """Points below the grid's best after so many epochs, or at its end where that came before."""
        return [below for spent, below in zip(self.epochs, self.below, strict=True) if spent <= epochs][-1]


class Simulation:
    """A conductor's trials, so many at a time, read from a table in the order of a clock of their own."""

    def __init__(self, conductor: Conductor, table: FrozenTable, slots: int, ties: random.Random) -> None:
        self.conductor, self.slots, self.ties = conductor, slots, ties
        self.curves = table.curves()
        self.monitor = table.monitor
        self.now = 0
        self.results: list[tuple[int, float, str]] = []  # when, in which order among those of one time, of which trial
        self.reached: dict[str, tuple[Todo, int, int]] = {}  # of each trial the epochs before and after its next result
        self.epochs: list[Epoch] = []

    def run(self) -> list[Epoch]:
        """Every epoch that was trained, with the time at which it ended."""
        self._fill()
        while self.results:
            self.now, _, key = heapq.heappop(self.results)
            todo, before, after = self.reached.pop(key)
            if self.conductor.result(key, self._result(todo, before, after)):
                self._schedule(todo, after)
            self._fill()
        assert self.conductor.finished
        return self.epochs

    def _fill(self) -> None:
        while len(self.results) < self.slots and (todo := self.conductor.next()) is not None:
            self.conductor.started(todo.key)
            self._schedule(todo, 0)

    def _schedule(self, todo: Todo, before: int) -> None:
        ahead = [epoch for epoch in self.conductor.decisions(todo) if epoch > before]
        after = min(ahead, default=len(self._scores(todo)))
        self.reached[todo.key] = (todo, before, after)
        heapq.heappush(self.results, (self.now + after - before, self.ties.random(), todo.key))

    def _result(self, todo: Todo, before: int, after: int) -> dict[str, Any]:
        scores = self._scores(todo)
        config = identity_of(todo.config.params)
        for epoch in range(before + 1, after + 1):
            self.epochs.append(Epoch(self.now - after + epoch, 1, scores[epoch - 1], config))
        return {
            "key": todo.key,
            "epoch": after,
            "opened_epoch": before,
            "best_epoch": 1 + scores.index(max(scores[:after])),
            "score": scores[after - 1],
            "state": states.COMPLETED if after == len(scores) else states.RUNNING,
            "reports": [{"epoch": e, self.monitor: scores[e - 1]} for e in range(before + 1, after + 1)],
            "facts": {},
            "problem": "",
            "warnings": [],
        }

    def _scores(self, todo: Todo) -> list[float]:
        return self.curves[identity_of(todo.config.params)]


def play(table: FrozenTable, search: str, seed: int, slots: int, configs: int, folder: Path) -> Play:
    """One search with one seed; `folder` keeps its ledger and the data's cache."""
    name, _, scheduler = search.partition("+")
    document = read_document(STUDY)
    document.values |= {
        "dataset": "digits",  # needs no files, and nothing of it is seen: the scores are the table's
        "search": {"name": name, "configs": configs, "repeats": 1},
        "scheduler": ASHA if scheduler else "none",
        "seed": seed,
    }
    spec = parse_spec(document)
    home = folder / f"{search}-{seed}"  # its own: a proposer that learns keeps what it knows beside the ledger
    home.mkdir()
    with Ledger(home / "ledger.db", write=True) as ledger:
        ledger.record_spec(spec.model_dump(mode="json"), {})
        conductor = Conductor(make_plan(spec, folder / "cache"), ledger)
        curve = curve_of(Simulation(conductor, table, slots, random.Random(seed)).run())
        asked = len(ledger.configs())
    full = {config: max(scores) for config, scores in table.curves().items()}
    below = [POINTS * (table.best - full[config]) for config in curve.config]
    return Play(search, seed, asked, [int(cost) for cost in curve.cost], below)


def summary(search: str, plays: list[Play], table: FrozenTable) -> dict[str, Any]:
    """What a search came to over its seeds, within a quarter of the grid's epochs."""
    below = [each.at(GOAL_SHARE * table.epochs) for each in plays]
    return {
        "search": search,
        "n": len(plays),
        "below_mean": statistics.fmean(below),
        "below_worst": max(below),
        "within_goal": sum(value <= GOAL_POINTS for value in below),
        "epoch_share": statistics.fmean(min(1.0, each.epochs[-1] / table.epochs) for each in plays),
        "configs": statistics.fmean(each.configs for each in plays),
    }


def draw(path: Path, table: FrozenTable, plays: list[Play], title: str) -> None:
    """Mean points below the grid's best against epochs; beside it every seed at a quarter of the grid's epochs."""
    import matplotlib as mpl
    import numpy as np

    from study.report.look import MARKS, PALETTE, SETTINGS, new_figure

    searches = list(dict.fromkeys(each.search for each in plays))
    with mpl.rc_context(SETTINGS):
        figure = new_figure(FIGURE_HEIGHT)
        curves, seeds = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
        goal_lines(curves, GOAL_POINTS, table.epochs)
        seeds.axhline(GOAL_POINTS, color="black", linewidth=0.6, linestyle=(0, (1, 1.2)))
        grid = np.unique(np.geomspace(FROM_EPOCHS, table.epochs, 400).round())
        for place, search in enumerate(searches):
            mine = [each for each in plays if each.search == search]
            shown = [spent for spent in grid if spent <= statistics.fmean(each.epochs[-1] for each in mine)]
            mean = [statistics.fmean(each.at(spent) for each in mine) for spent in shown]
            color = PALETTE[place % len(PALETTE)]
            dash = "-" if "+" in search else (0, (4, 1.5))
            curves.plot(shown, mean, color=color, linestyle=dash, label=search)
            below = [each.at(GOAL_SHARE * table.epochs) for each in mine]
            sideways = np.linspace(-0.25, 0.25, len(below)) if len(below) > 1 else [0.0]
            seeds.plot(place + np.asarray(sideways), sorted(below), color=color, marker=MARKS[0], linestyle="none")
        curves.set(
            xscale="log",
            xlim=(FROM_EPOCHS, None),
            ylim=SHOWN_POINTS,
            xlabel="epochs spent",
            ylabel="points below the grid's best",
        )
        curves.set_title(title)
        curves.legend()
        seeds.set_xticks(range(len(searches)), searches, rotation=40, ha="right")
        seeds.set_title(f"each seed at {GOAL_SHARE:.0%} of the grid's epochs")
        save_figure(figure, path)


def main() -> None:
    """Play, print, keep and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SEARCHES, default=list(SEARCHES), metavar="SEARCH")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--slots", type=int, default=4, help="trials that run at a time")
    parser.add_argument("--configs", type=int, help="of a search; by default half of the grid's")
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--json", type=Path, help="write raw results here")
    parser.add_argument("--figure", type=Path, help="draw curves and distribution here, as SVG or PNG")
    args = parser.parse_args()
    table = read_table(args.table)
    configs = args.configs or len(table.configs) // 2
    if min(args.seeds, args.slots) < 1 or not 1 <= configs < len(table.configs):
        parser.error(f"--seeds and --slots are at least 1, --configs lies in [1, {len(table.configs) - 1}]")
    facts = describe_run()
    print(headline(facts))
    print(f"{args.table.name}: {len(table.configs)} configs, {table.epochs} epochs, best {POINTS * table.best:.2f} %")
    plays, rows = [], []
    for search in dict.fromkeys(args.only):
        with tempfile.TemporaryDirectory(prefix="frozen-search-") as folder:
            mine = [play(table, search, seed, args.slots, configs, Path(folder)) for seed in range(args.seeds)]
        plays += mine
        rows.append(summary(search, mine, table))
        if len(rows) == 1:
            print(f"{'search':<18}" + "".join(f"{name:>13}" for name in list(rows[0])[1:]))
        print(f"{search:<18}" + "".join(f"{value:>13.3g}" for value in list(rows[-1].values())[1:]), flush=True)
    for row in rows:
        if row["search"] == PROVEN:
            met = row["within_goal"] == row["n"]
            print(
                f"goal, {PROVEN} at most {GOAL_POINTS} points below the grid's best for {GOAL_SHARE:.0%} of its epochs:"
            )
            print(f"{'met' if met else 'missed'}: {row['within_goal']} of {row['n']} seeds")
    if args.figure is not None:
        draw(args.figure, table, plays, f"mean of {args.seeds} seeds")
    write_json(args.json, {**facts, "table": table.made, "rows": rows, "plays": [asdict(each) for each in plays]})


if __name__ == "__main__":
    main()
