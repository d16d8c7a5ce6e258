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
from study.results.numbers import counted, format_number, format_p, format_score
from study.results.selection import LARGEST, out_of_scope
from study.results.settings import settings_in_words
from study.results.statistics import EFFECT_FROM, FEWEST_PAIRS, WILCOXON_FROM
from trainables.trial import SEARCH

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
    for note in comparison.notes:
        console.print(f"[yellow]{escape(note)}[/]")
    for task, rows in comparison.tasks.items():
        console.print(_table(task, rows, comparison))
    console.print(_costs(comparison))
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
            f"Mean ranks over {counted(comparison.ranked_tasks, 'task')}: "
            + ", ".join(f"{family} {rank:.2f}" for family, rank in ordered)
        )
        said = f"Ranks that differ by less than {comparison.critical_difference:.2f} are not distinguishable"
        console.print(f"{said}." if comparison.ranks_decide else f"{said}: with so few tasks they decide nothing.")
    console.print(f"[dim]{NOTES[comparison.phase]}[/]")
    if single_repeats(len(row.entry.scores) for rows in comparison.tasks.values() for row in rows):
        console.print(f"[dim]{ONE_REPEAT}[/]")
    else:
        console.print(f"[dim]{PAIRED}{_corrected(comparison, len(ledgers))}[/]")
    if any(row.test and row.test.p_wilcoxon is not None for rows in comparison.tasks.values() for row in rows):
        console.print(f"[dim]{WILCOXON}[/]")
    if any(
        "might tell" in row.verdict(comparison.more_is_better) for rows in comparison.tasks.values() for row in rows
    ):
        console.print(f"[dim]{MIGHT_TELL}[/]")
    searching = {each.study for each in comparison.unfinished if each.phase == SEARCH}
    for name in (name for name in comparison.unconfirmed if name not in searching):
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
WILCOXON = f"Wilcoxon: the p of the signed-rank test, from {WILCOXON_FROM} repeats on, not corrected."
MIGHT_TELL = (
    "So many repeats would find a difference of the size that was seen four times out of five, at 5 % divided by the "
    "number of tests (Bonferroni), which is enough for Holm's method."
)


def _corrected(comparison: Comparison, studies: int) -> str:
    """Over how many tests p is corrected, which changes with what is compared."""
    tests = comparison.num_tests
    if tests == 0:
        return f"Nothing was tested.{_other_baseline(comparison)}"
    if tests == 1:
        return "p by the paired t-test."
    together = f": those of {studies} studies together, fewer alone" if studies > 1 else ""
    said = f"p by the paired t-test, with Holm's correction for all {tests} tests here"
    return f"{said}{together}.{UNCORRECTED}"


def _other_baseline(comparison: Comparison) -> str:
    """Which baseline has the repeats to be tested against, where this one has not; empty where none has."""
    for rows in comparison.tasks.values():
        repeated = [row.entry.family for row in rows if len(row.entry.scores) >= FEWEST_PAIRS]
        if len(repeated) > 1 and rows[0].against not in repeated:
            return f" {repeated[0]} has the repeats that a baseline needs: --baseline {repeated[0]}."
    return ""


def _table(task: str, rows: list[Row], comparison: Comparison) -> Table:
    table = Table(title=f"{comparison.metric} · {task}", title_justify="left")
    table.add_column("family", overflow="fold")
    tested = comparison.num_tests > 0
    table.add_column("mean ± sd,\n  95 % interval", no_wrap=True)
    table.add_column("difference,\n  95 % interval", no_wrap=True)
    if tested:
        table.add_column("p", no_wrap=True)
    table.add_column("verdict", min_width=len("not distinguishable"))
    for row in rows:
        p = [_p(row)] if tested else []
        scores, difference = _scores(row, comparison.metric), _difference(row, comparison.metric)
        table.add_row(row.entry.family, scores, difference, *p, _verdict(row, comparison))
    return table


def _costs(comparison: Comparison) -> Table:
    """What each family took over all tasks."""
    entries = [row.entry for rows in comparison.tasks.values() for row in rows]
    table = Table("family", "epochs", "training", title="Cost, search included, over all tasks", title_justify="left")
    for family in dict.fromkeys(entry.family for entry in entries):
        epochs = sum(entry.epochs for entry in entries if entry.family == family)
        seconds = sum(entry.seconds for entry in entries if entry.family == family)
        table.add_row(family, f"{epochs:,}", duration(seconds))
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
    mean, first, last = (format_number(value, "+") for value in (test.mean, low, high))
    return f"{mean}\n  {first} to {last}"


def _p(row: Row) -> str:
    if row.p is None:
        return ""
    test = row.test
    effect = f"\nd {test.effect:+.1f}" if test and test.effect is not None else ""
    ranked = f"\nWilcoxon {format_p(test.p_wilcoxon)}" if test and test.p_wilcoxon is not None else ""
    return format_p(row.p) + effect + ranked


def _verdict(row: Row, comparison: Comparison) -> str:
    said = row.verdict(comparison.more_is_better)
    if row.entry.divergence_rate:
        said += f"; {row.entry.divergence_rate:.0%} of its trials diverged"
    return said
