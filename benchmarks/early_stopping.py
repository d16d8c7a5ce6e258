"""ASHA with lanes against the full grid: what each had found when it had spent so much.

    python -m benchmarks.early_stopping --data DIR                         the grid once, ASHA over it in five orders
    python -m benchmarks.early_stopping --data DIR --orders 1 --epochs 3   a smoke test
    python -m benchmarks.early_stopping --data DIR --table PATH            keeps the grid's scores, for frozen_search.py

DIR has MNIST, as `study launch --data DIR` wants it; STUDY_DATA will do as well. The study is `frozen/mnist-tce.yaml`;
each run of it is `study launch` in a fresh process with an empty folder and an empty cache, `resources: {lanes: auto}`,
without MLflow. ASHA: grace 1, reduction 3. Order 0 lists the grid as the file does, the others shuffle the values of
each hyperparameter; trials and their seeds are the same in all.

    core_s   seconds of training from the ledger, a lane's share of each epoch of its array: a host has one core
    held_s   wall time from the first trial that went to a host to the end of the last, times cores: waiting included

A curve is the best validation accuracy so far, against the labels that the study selects by. `points` is how far the
best that a run of ASHA reports lies below the grid's best; `as_grid` is how far the config that it chose does, by the
grid's own scores.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.frozen_table import STUDY, FrozenTable, freeze, write_table
from benchmarks.machine import ROOT, describe_run, headline, write_json
from benchmarks.search_curve import GOAL_POINTS, GOAL_SHARE, POINTS, Curve, Epoch, curve_of, goal_lines, save_figure
from study.records.environment import usable_cpus
from study.records.ledger import Ledger
from study.records.paths import Home
from study.results.selection import cell_results
from study.spec.spaces import identity_of
from study.spec.study_file import load_spec
from study.spec.yaml_file import read_document, to_yaml

ASHA = {"name": "asha", "grace_epochs": 1, "reduction": 3}
DROPPED = ("RAY_ADDRESS", "STUDY_HOME")
FIGURE_HEIGHT = 2.9  # inches
SHOWN_FROM, SHOWN_POINTS, ABOVE = 0.002, 4.0, 0.2  # of the figure: share of the grid's cost, points to the best, room


@dataclass(frozen=True)
class Run:
    """A launch of the study, as its ledger tells it."""

    name: str
    order: int
    trials: int
    epochs: int
    core_s: float
    held_s: float
    curve: Curve
    chosen: str

    @property
    def best(self) -> float:
        """The best score of all."""
        return self.curve.best[-1]


def study_values(epochs: int | None, order: int, scheduler: Any) -> dict[str, Any]:
    """The study file's values, for one run."""
    values = read_document(STUDY).values
    if epochs is not None:
        values["training"]["epochs"] = epochs
    if order:
        stream = random.Random(order)
        optimizer, (family,) = values["training"]["optimizer"], values["families"]
        for holder in (optimizer, family["space"]):
            for value in holder.values():
                if isinstance(value, dict):
                    stream.shuffle(value["grid"])
    return values | {"scheduler": scheduler}


def run_study(
    name: str, epochs: int | None, order: int, scheduler: Any, data: Path | None = None
) -> tuple[Run, FrozenTable | None]:
    """Launch and read; with the table of a run without a scheduler. SystemExit where it fails."""
    with tempfile.TemporaryDirectory(prefix="early-stopping-") as folder:
        file = Path(folder) / "study.yaml"
        file.write_text(to_yaml(study_values(epochs, order, scheduler)), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if key not in DROPPED}
        environment |= {"STUDY_HOME": folder, "PYTHONPATH": str(ROOT)}
        command = [str(Path(sys.executable).with_name("study")), "launch", str(file)]
        command += ["--data", str(data.absolute())] if data else []
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{name}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        spec, _ = load_spec(file, data=data)
        with Ledger(Home(Path(folder)).study(spec.name).ledger) as ledger:
            run = read_run(ledger, name, order, spec.select.monitor)
            table = freeze(ledger, spec.select.monitor, describe_run()) if scheduler == "none" else None
        return run, table


def read_run(ledger: Ledger, name: str, order: int, monitor: str) -> Run:
    """What a launch did and found."""
    params = {key: identity_of(params) for _, key, _, params in ledger.configs()}
    trials = list(ledger.trials().values())
    epochs = [
        Epoch(report["time"], report["seconds"], report[monitor], params[trial.config_key])
        for trial in trials
        for _, report in ledger.reports(trial.key)
    ]
    (cell,) = cell_results(ledger)
    assert cell.best is not None, "the last trial of a bracket is never stopped"
    first, last = min(trial.started_at or 0.0 for trial in trials), max(trial.ended_at or 0.0 for trial in trials)
    return Run(
        name=name,
        order=order,
        trials=len(trials),
        epochs=len(epochs),
        core_s=sum(epoch.cost for epoch in epochs),
        held_s=usable_cpus() * (last - first),
        curve=curve_of(epochs),
        chosen=params[cell.best.key],
    )


def against_grid(run: Run, grid: Run, table: FrozenTable) -> dict[str, float]:
    """Shares of the grid's costs, and points below its best."""
    reached = run.curve.reaches(grid.best - GOAL_POINTS / POINTS)
    return {
        "core_share": run.core_s / grid.core_s,
        "held_share": run.held_s / grid.held_s,
        "epoch_share": run.epochs / grid.epochs,
        "points": POINTS * (grid.best - run.best),
        "as_grid": POINTS * (grid.best - max(table.curves()[run.chosen])),
        "reached_share": reached / grid.core_s,
    }


def draw(path: Path, grid: Run, runs: list[Run], title: str) -> None:
    """Both curves, against core-seconds."""
    import matplotlib as mpl

    from study.report.look import INK, PALETTE, SETTINGS, new_figure

    with mpl.rc_context(SETTINGS):
        figure = new_figure(FIGURE_HEIGHT)
        axes = figure.subplots()
        goal_lines(axes, POINTS * grid.best - GOAL_POINTS, grid.core_s)
        _draw_curve(axes, grid.curve, color=INK, label=f"full grid, {grid.trials} configs")
        for run in runs:
            label = f"ASHA, {len(runs)} orders" if run is runs[0] else None
            _draw_curve(axes, run.curve, color=PALETTE[0], label=label, alpha=1 if len(runs) == 1 else 0.6)
        top = POINTS * max(run.best for run in (grid, *runs))
        axes.set(xscale="log", xlim=(grid.core_s * SHOWN_FROM, None), ylim=(top - SHOWN_POINTS, top + ABOVE))
        axes.set(xlabel="core-seconds of training", ylabel="best validation accuracy so far, %")
        axes.set_title(title)
        axes.legend(loc="lower right")
        save_figure(figure, path)


def _draw_curve(axes: Any, curve: Curve, **line: Any) -> None:
    axes.plot(curve.cost, [POINTS * best for best in curve.best], drawstyle="steps-post", **line)
    axes.plot(curve.cost[-1:], [POINTS * curve.best[-1]], marker="o", **line | {"label": None})


def main() -> None:
    """Run, print, keep and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with MNIST; by default STUDY_DATA")
    parser.add_argument("--orders", type=int, default=5, help="orders of the grid that ASHA is given")
    parser.add_argument("--epochs", type=int, help="of the longest run, instead of the study file's")
    parser.add_argument("--json", type=Path, help="write raw results here")
    parser.add_argument("--figure", type=Path, help="draw the curves here, as SVG or PNG")
    parser.add_argument("--table", type=Path, help="keep the grid's table here")
    args = parser.parse_args()
    if args.orders < 1 or (args.epochs is not None and args.epochs < 2):
        parser.error("--orders is at least 1, --epochs at least 2")
    facts = describe_run()
    print(headline(facts), flush=True)
    grid, table = run_study("grid", args.epochs, 0, "none", args.data)
    assert table is not None
    print(f"grid: {grid.trials} configs, {grid.epochs} epochs, {grid.core_s:.1f} core-s of training, ", end="")
    print(f"{grid.held_s:.1f} held; best {POINTS * grid.best:.2f} %", flush=True)
    runs, rows = [], []
    for order in range(args.orders):
        run, _ = run_study("asha", args.epochs, order, ASHA, args.data)
        runs.append(run)
        rows.append(against_grid(run, grid, table))
        print(f"ASHA {order}: " + ", ".join(f"{key} {value:.3f}" for key, value in rows[-1].items()), flush=True)
    for key in rows[0]:
        values = [row[key] for row in rows]
        print(f"{key}: mean {statistics.fmean(values):.3f}, {min(values):.3f} to {max(values):.3f}")
    met = all(row["points"] <= GOAL_POINTS and row["core_share"] <= GOAL_SHARE for row in rows)
    print(
        f"goal, at most {GOAL_POINTS} points below the grid's best for {GOAL_SHARE:.0%} of its core_s, in every order:"
    )
    print("met" if met else "missed")
    if args.table is not None:
        write_table(args.table, table)
    if args.figure is not None:
        draw(args.figure, grid, runs, f"{table.monitor}; {headline(facts).partition(';')[0].partition(', ')[2]}")
    write_json(args.json, {**facts, "grid": asdict(grid), "runs": [asdict(run) for run in runs], "rows": rows})


if __name__ == "__main__":
    main()
