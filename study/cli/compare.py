"""study compare"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from study.cli.output import (
    ONE_REPEAT,
    AsJson,
    console,
    duration,
    out_of_scope_note,
    print_json,
    program,
    single_repeats,
)
from study.results.limits import cut, difference_limits_of, limits_of
from study.results.numbers import format_number, format_p, format_score
from study.results.selection import LARGEST, out_of_scope
from study.results.settings import settings_in_words
from study.results.statistics import EFFECT_FROM, FEWEST_PAIRS

if TYPE_CHECKING:
    from study.results.compare import Comparison, Row


def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="One study, or several.")],
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="FAMILY", help="What others are tested against, on each task; default ce."),
    ] = None,
    phase: Annotated[
        Literal["search", "confirm"] | None,
        typer.Option("--phase", help="Default: the confirmation where there is one, else the search."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare families: intervals, paired tests against a baseline with Holm's correction, ranks over tasks.

    Example: study compare quickstart --baseline ce
    """
    from study.records.ledger import Ledger
    from study.records.paths import Home
    from study.results.compare import compare as run

    home = Home.current()
    with ExitStack() as stack:
        ledgers = [(name, stack.enter_context(Ledger(home.existing(name).ledger))) for name in dict.fromkeys(names)]
        comparison = run(ledgers, baseline=baseline, phase=phase)
        outside = sum(out_of_scope(ledger) for _, ledger in ledgers)
    if as_json:
        print_json(comparison.as_json())
        return
    for task, rows in comparison.tasks.items():
        console.print(_table(task, rows, comparison))
    for note in comparison.notes:
        console.print(f"[yellow]{escape(note)}[/]")
    for budget in comparison.budgets:
        named = f"{budget.study}: " if len(comparison.budgets) > 1 else ""
        console.print(f"Budget of the search: {named}{budget.sentence}", markup=False, highlight=False)
    if comparison.differing:
        console.print(f"[yellow]These studies differ in[/] {escape(settings_in_words(comparison.differing))}.")
    if outside:
        console.print(out_of_scope_note(outside))
    for entry in (row.entry for rows in comparison.tasks.values() for row in rows if row.entry.scoreless):
        trials = "1 trial" if entry.scoreless == 1 else f"{entry.scoreless} trials"
        console.print(
            f"{entry.family} on {entry.task}: {trials} ended without a finite score, or with one beyond "
            f"{LARGEST:g}: counted as diverged, in no mean."
        )
    for sentence in comparison.warnings:
        console.print(sentence, style="yellow", markup=False)
    if comparison.critical_difference is not None:
        ordered = sorted(comparison.ranks.items(), key=lambda item: item[1])
        console.print(
            f"Mean ranks over {comparison.ranked_tasks} tasks: "
            + ", ".join(f"{family} {rank:.2f}" for family, rank in ordered)
        )
        said = f"Ranks that differ by less than {comparison.critical_difference:.2f} are not distinguishable"
        console.print(f"{said}." if comparison.ranks_decide else f"{said}: with so few tasks they decide nothing.")
    console.print(f"[dim]{NOTES[comparison.phase]}[/]")
    if single_repeats(len(row.entry.scores) for rows in comparison.tasks.values() for row in rows):
        console.print(f"[dim]{ONE_REPEAT}[/]")
    else:
        console.print(f"[dim]{PAIRED}{_corrected(comparison, len(ledgers))}[/]")
    if any(
        "might tell" in row.verdict(comparison.more_is_better) for rows in comparison.tasks.values() for row in rows
    ):
        console.print(f"[dim]{MIGHT_TELL}[/]")
    for name in comparison.unconfirmed:
        console.print(f"Judge the best configs on fresh repeats: {program()} confirm {name}")


NOTES = {
    "confirm": "Scores on the test set, over repeats that no selection has seen.",
    "search": "Scores on validation images, on which the configs were chosen: they flatter a family the more the more "
    "configs it had.",
}
PAIRED = (
    "Differences are of the same repeats (the same noise, weights and order, on one split for all), with their 95 % "
    "interval, cut where the metric ends. d is the mean difference in units of its standard deviation, from "
    f"{EFFECT_FROM} repeats on, as is how many repeats might tell; fewer than {FEWEST_PAIRS}, and differences that are "
    "all equal, are not tested. "
)
UNCORRECTED = " Intervals are not corrected, so one may end short of 0 where p tells nothing apart."
MIGHT_TELL = (
    "So many repeats would find a difference of the size that was seen four times out of five, at 5 % divided by the "
    "number of tests (Bonferroni), which is enough for Holm's method."
)


def _corrected(comparison: Comparison, studies: int) -> str:
    """Over how many tests p is corrected, which changes with what is compared."""
    tests = comparison.num_tests
    if tests == 0:
        return "Nothing was tested."
    if tests == 1:
        return "p by the paired t-test."
    together = f": those of {studies} studies together, fewer alone" if studies > 1 else ""
    said = f"p by the paired t-test, with Holm's correction for all {tests} tests here"
    return f"{said}{together}.{UNCORRECTED}"


def _table(task: str, rows: list[Row], comparison: Comparison) -> Table:
    table = Table(title=f"{comparison.metric} · {task}", title_justify="left")
    table.add_column("family", overflow="fold")
    table.add_column("mean ± sd, 95 % interval", no_wrap=True)
    table.add_column("difference, 95 % interval", no_wrap=True)
    table.add_column("verdict", min_width=len("not distinguishable"))
    for row in rows:
        scores, difference = _scores(row, comparison.metric), _difference(row, comparison.metric)
        table.add_row(row.entry.family, scores, difference, _verdict(row, comparison))
    return table


def _scores(row: Row, metric: str) -> str:
    scored = format_score(row.entry.mean, row.entry.sd, len(row.entry.scores))
    if row.interval is None:
        return scored
    low, high = cut(row.interval, limits_of(metric))
    return f"{scored}\n  {format_number(low)} to {format_number(high)}"


def _difference(row: Row, metric: str) -> str:
    test = row.test
    if test is None:
        return ""
    if test.low is None or test.high is None or row.p is None:
        return format_number(test.mean, "+")
    low, high = cut((test.low, test.high), difference_limits_of(metric))
    effect = f", d {test.effect:+.1f}" if test.effect is not None else ""
    mean, first, last = (format_number(value, "+") for value in (test.mean, low, high))
    return f"{mean}\n  {first} to {last}\n  p {format_p(row.p)}{effect}"


def _verdict(row: Row, comparison: Comparison) -> str:
    said = row.verdict(comparison.more_is_better)
    if row.entry.divergence_rate:
        said += f"; {row.entry.divergence_rate:.0%} of its trials diverged"
    cost = f"cost, search included: {row.entry.epochs} epochs, {duration(row.entry.seconds)} of training"
    return f"{said}\n[dim]{cost}[/]"
