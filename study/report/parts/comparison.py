"""The comparison of families: scores, intervals, paired tests, cost, and ranks over tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.records.ledger import CONFIRM
from study.records.states import DIVERGED, ENDED
from study.report.document import Block, Bold, Entry, Items, Paragraph, Picture, Section, Table, slug
from study.report.gather import Leaders, Material
from study.report.look import INK, OUTSIDE, keep_within, new_figure, spare_outliers
from study.report.parts.answer import pairs_text
from study.report.words import (
    NOTHING,
    common_n,
    interval_text,
    metric_words,
    p_text,
    repeats_words,
    score_text,
    settings,
    signed,
    span,
    with_n,
)
from study.results.compare import Comparison, Row
from study.results.limits import Interval, cut, difference_limits_of, limits_of
from study.results.numbers import counted
from study.results.statistics import EFFECT_FROM, FEWEST_PAIRS, PairedTest

UNTESTED = "Nothing is marked where too few repeats, or differences that are all equal, leave nothing to test."
LEVEL = "at 5 % divided by the number of tests (Bonferroni), which is enough for Holm's method"
MOST_IN_DIAGRAM = 20  # families


def section(material: Material) -> Section:
    """Tables and figures of the comparison as `study compare` makes it."""
    compared = material.comparison
    kind = "test images, over repeats that no selection has seen" if compared.phase == CONFIRM else (
        "validation images, on which the configs were chosen"
    )  # fmt: skip
    blocks: list[Block] = [
        Paragraph(
            f"Scores are {metric_words(compared.metric, clean=material.some_clean)} of each family's best config, on "
            f"{kind}. Differences and tests pair the same repeats: the same noise, initial weights and order, on one "
            "split for all. A difference that is not distinguishable is not shown to be zero; more repeats might tell."
        ),
        _overview(material),
        *([Items(compared.warnings)] if compared.warnings else []),
        *_told(material),
        _forest(material),
        *(_tests(material, task, rows) for task, rows in compared.tasks.items() if any(row.test for row in rows)),
        *_configs(material),
        _cost(material),
    ]
    if compared.critical_difference is not None:
        blocks += _ranks(compared)
    return Section("Comparison of families", tuple(blocks))


def _rows(compared: Comparison) -> list[Row]:
    return [row for rows in compared.tasks.values() for row in rows]


def _overview(material: Material) -> Table:
    compared = material.comparison
    common = common_n(len(row.entry.scores) for row in _rows(compared))
    tested = any(leaders.tested for leaders in material.leaders.values())
    lines: list[tuple[Entry, ...]] = []
    for family in material.families:
        line: list[Entry] = [family]
        for task, rows in compared.tasks.items():
            row = next((row for row in rows if row.entry.family == family), None)
            scores = row.entry.scores if row else ()
            text, leaders = with_n(score_text(scores), len(scores), common), material.leaders.get(task)
            line.append(_marked(text, family, leaders) if tested and leaders else text)
        lines.append(tuple(line))
    return Table(
        "scores",
        f"{metric_words(compared.metric, clean=material.some_clean).capitalize()} of each family's best config",
        "l" + "r" * len(compared.tasks),
        ("family", *compared.tasks),
        tuple(lines),
        f"{repeats_words(common)} {_marks(material) if tested else UNTESTED} {_covered(material)}",
    )


def _covered(material: Material) -> str:
    """What ± and p say nothing of: the images that all repeats are judged by."""
    name = "test" if material.comparison.phase == CONFIRM else "validation"
    counts = {count for cell in material.searched if cell.best and (count := material.sizes(cell)[name])}
    of = f" of {span(counts)} images" if counts else ""
    return (
        "± and p cover what repeats vary: noise masks, initial weights, order and augmentation. All repeats of a task "
        f"share one split, and are judged by one {name} set{of}: that other images would give other scores is in no "
        "number here."
    )


def _marked(text: str, family: str, leaders: Leaders) -> Entry:
    if family in (leaders.family, *leaders.tied):
        return Bold(text)
    return text + (" †" if family in leaders.level else " ‡" if family in leaders.untested else "")


def _marks(material: Material) -> str:
    """What bold and the daggers mean; bold is not what a test cannot tell, which would raise whatever varies most."""
    way = "highest" if material.comparison.more_is_better else "lowest"
    pairs = pairs_text(next(iter(material.leaders.values())))
    text = f"Bold: the {way} mean of its column, ties included. †: not distinguishable from the best, which does not "
    text += "say that it is as good. "
    if any(leaders.untested for leaders in material.leaders.values()):
        text += f"‡: not tested (fewer than {FEWEST_PAIRS} repeats in common, or all differences equal). "
    return text + (
        "No mark: distinguishably worse. By paired t-tests at 5 %, with Holm's correction for all "
        f"{pairs}, since the best is picked by these very scores."
    )


def _told(material: Material) -> list[Table]:
    """How far families lie behind the best, and how far they would have had to; nothing where nothing was tested."""
    compared = material.comparison
    if not any(leaders.tested for leaders in material.leaders.values()):
        return []
    widest = difference_limits_of(compared.metric)[1]
    lines: list[tuple[Entry, ...]] = []
    for family in material.families:
        line: list[Entry] = [family]
        for task in compared.tasks:
            leaders = material.leaders.get(task)
            row = next((row for row in leaders.others if row.entry.family == family), None) if leaders else None
            best = leaders is not None and leaders.family == family
            line.append("best" if best else _behind(row, widest) if row else NOTHING)
        lines.append(tuple(line))
    table = Table(
        "told",
        "How far behind the best, and what could have been told",
        "l" + "r" * len(compared.tasks),
        ("family", *compared.tasks),
        tuple(lines),
        "The mean difference to the best of the column over the repeats that both have, and in brackets the smallest "
        "one that so many repeats, with differences that vary so much, would have shown four times out of five, "
        f"{LEVEL}: here of all pairs of families. Cannot tell: no test, or only of differences larger than the metric "
        "allows.",
    )
    return [table]


def _behind(row: Row, widest: float) -> str:
    if row.test is None:
        return f"cannot tell (n = {len(row.entry.scores)})"
    told = row.detectable is not None and row.detectable < widest
    return f"{abs(row.test.mean):.4f} " + (f"({row.detectable:.4f})" if told else f"(cannot tell, n = {row.test.n})")


def _forest(material: Material) -> Picture:
    compared = material.comparison
    families = [f for f in material.families if any(r.entry.family == f and r.entry.scores for r in _rows(compared))]
    columns = min(3, len(compared.tasks))
    rows = -(-len(compared.tasks) // columns)
    figure = new_figure(rows * (0.55 + 0.24 * len(families)))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.ravel()[len(compared.tasks) :]:
        axes.remove()
    cut = False
    for axes, (task, found) in zip(grid.ravel(), compared.tasks.items(), strict=False):
        leaders = material.leaders.get(task)
        for row in found:
            if not row.entry.scores:
                continue
            place, look = families.index(row.entry.family), material.looks[row.entry.family]
            axes.plot(row.entry.scores, [place] * len(row.entry.scores), "|", color=look.color, alpha=0.45, ms=7)
            if row.interval:
                axes.plot(row.interval, [place, place], color=look.color, lw=1.6)
            first = leaders is not None and row.entry.family in (leaders.family, *leaders.tied)
            face = look.color if first else "none"
            axes.plot([row.entry.mean], [place], "o", color=look.color, markerfacecolor=face, ms=5)
        axes.set_title(task, fontsize=8)
        axes.set_xlabel(metric_words(compared.metric, clean=material.is_clean(task)))
        axes.grid(axis="y", visible=False)
        axes.locator_params(axis="x", nbins=5)
        keep_within(axes, "x", limits_of(compared.metric))
        scores = [score for row in found for score in row.entry.scores]
        cut |= spare_outliers(axes, "x", [scores, *zip(*(row.interval for row in found if row.interval), strict=True)])
        keep_within(axes, "x", limits_of(compared.metric))
        _name_means_outside(axes, {families.index(row.entry.family): row.entry.mean for row in found if row.entry.mean})
        axes.set_yticks(range(len(families)), families)
        axes.set_ylim(len(families) - 0.5, -0.5)
    return Picture(
        "scores",
        "Scores of each family's best config",
        "Mean (mark; filled: the best), 95 % interval of the mean (line; none for a single repeat) and the repeats "
        "(ticks). Overlapping intervals do not say that two families are "
        "equal, since repeats are paired: the tests below use that. The axes do not begin at zero, "
        "and do not go beyond what the metric can be, as wide intervals do." + f" {OUTSIDE}" * cut,
        figure,
    )


def _name_means_outside(axes: Axes, means: Mapping[int, float]) -> None:
    """Numbers beside the arrows of means, by their row."""
    low, high = axes.get_xlim()
    for place, mean in means.items():
        if not low <= mean <= high:
            end, offset, side = (low, 7, "left") if mean < low else (high, -7, "right")
            axes.annotate(
                f"mean {mean:.4f}", (end, place), (offset, 3), textcoords="offset points", ha=side, fontsize=7
            )  # fmt: skip


def _tests(material: Material, task: str, rows: list[Row]) -> Table:
    compared = material.comparison
    wilcoxon = any(row.test and row.test.p_wilcoxon is not None for row in rows)
    effects = any(row.test and row.test.effect is not None for row in rows)
    limits, widest = limits_of(compared.metric), difference_limits_of(compared.metric)
    metric = metric_words(compared.metric, clean=material.is_clean(task)).capitalize()
    against = rows[0].against
    lines: list[tuple[Entry, ...]] = []
    for row in rows:
        entry, test = row.entry, row.test
        verdict, _, more = row.verdict(compared.more_is_better).partition("; ")
        lines.append(
            (
                entry.family,
                score_text(entry.scores),
                str(len(entry.scores)),
                interval_text(cut(row.interval, limits)) if row.interval else NOTHING,
                _difference(test, widest) if test else NOTHING,
                p_text(row.p),
                *([p_text(test.p_wilcoxon if test else None)] if wilcoxon else []),
                *([signed(test.effect, 1) if test and test.effect is not None else NOTHING] if effects else []),
                verdict.removesuffix(f" from {row.against}").removesuffix(f" than {row.against}"),
                *([more.removesuffix(" might tell") or NOTHING] if effects else []),
            )
        )
    return Table(
        f"tests-{slug(task)}",
        f"{metric} against {against}: {task}",
        "lrrrrr" + "r" * (wilcoxon + effects) + "l" + "r" * effects,
        (
            "family", "score", "n", "95 % interval", "difference (95 % interval)", "p",
            *(["p, Wilcoxon"] if wilcoxon else []), *(["d"] if effects else []), "verdict",
            *(["might tell"] if effects else []),
        ),
        tuple(lines),
        "n counts repeats. "
        + (
            "p is of the paired t-test, corrected by Holm's method for all "
            f"{counted(compared.num_tests, 'test')} against {against}"
            if compared.num_tests
            else "There is no p, for want of repeats"
        )
        + ("; that of Wilcoxon's test is not corrected" if wilcoxon else "")
        + ". Intervals are not corrected"
        + (", and end where the metric does" if _any_cut(rows, limits, widest) else "")
        + (". d is the mean difference in units of the differences' standard deviation" if effects else "")
        + (
            f". Might tell: the repeats at which such a difference would be found four times out of five, {LEVEL}."
            if effects
            else f". Fewer than {EFFECT_FROM} repeats say too little of the spread for an effect size, or for how many "
            "repeats might tell."
        ),
    )  # fmt: skip


def _difference(test: PairedTest, widest: Interval) -> str:
    if test.low is None or test.high is None:
        return signed(test.mean)
    return f"{signed(test.mean)} ({interval_text(cut((test.low, test.high), widest), difference=True)})"


def _any_cut(rows: list[Row], limits: Interval, widest: Interval) -> bool:
    of_means = [row.interval for row in rows if row.interval]
    of_differences = [
        (row.test.low, row.test.high)
        for row in rows
        if row.test and row.test.low is not None and row.test.high is not None
    ]
    return any(cut(each, limits) != each for each in of_means) or any(
        cut(each, widest) != each for each in of_differences
    )


def _configs(material: Material) -> list[Table]:
    """None where nothing was searched."""
    tasks = material.comparison.tasks
    lines: list[tuple[Entry, ...]] = []
    for family in material.families:
        found = [next((row.entry for row in rows if row.entry.family == family), None) for rows in tasks.values()]
        texts = [settings(entry.params, entry.searched) if entry and entry.scores else "" for entry in found]
        lines.append((family, *(text or NOTHING for text in texts)))
    if all(text == NOTHING for _, *texts in lines for text in texts):
        return []
    table = Table(
        "configs",
        "The best configs",
        "l" * (1 + len(tasks)),
        ("family", *tasks),
        tuple(lines),
        "What was searched, at the config whose scores stand above; everything else is in the study file below.",
    )
    return [table]


def _cost(material: Material) -> Table:
    lines: list[tuple[Entry, ...]] = []
    for family in material.families:
        entries = [row.entry for row in _rows(material.comparison) if row.entry.family == family]
        counts = sum((entry.counts for entry in entries), Counter[str]())
        ended, diverged = sum(counts[state] for state in ENDED), counts[DIVERGED]
        share = f"{100 * diverged / ended:.1f} %" if ended else NOTHING
        epochs, seconds = sum(entry.epochs for entry in entries), sum(entry.seconds for entry in entries)
        lines.append((family, str(ended), str(diverged), share, f"{epochs:,}", f"{seconds / 60:,.1f}"))
    return Table(
        "cost",
        "What each family took, over all tasks",
        "lrrrrr",
        ("family", "trials ended", "diverged", "share", "epochs", "minutes"),
        tuple(lines),
        "All configs and repeats, those of the search included. Diverged are those whose loss, or whose score at the "
        "end, is not a finite number; no mean has them. Minutes are sums of the trials' training time on the "
        "machines named below, which other work may have slowed: they are no benchmark.",
    )


def _ranks(compared: Comparison) -> list[Block]:
    assert compared.critical_difference is not None
    ordered = sorted(compared.ranks.items(), key=lambda item: item[1])
    said = (
        f"Mean ranks over n = {compared.ranked_tasks} tasks that every family has a score in: "
        + ", ".join(f"{family} {rank:.2f}" for family, rank in ordered)
        + f". Ranks that differ by less than {compared.critical_difference:.2f} are not distinguishable (Nemenyi's "
        "test at 5 %; Demšar, 2006)."
    )
    if not compared.ranks_decide:
        said += (
            " With so few tasks no two families can differ by that much: the ranks decide nothing and are not drawn."
        )
    blocks: list[Block] = [Paragraph(said)]
    if compared.ranks_decide and len(ordered) <= MOST_IN_DIAGRAM:
        caption = (
            "Families by mean rank, 1 is best. A bar joins families whose ranks are not distinguishable; the bar above "
            "the axis is the critical difference."
        )
        blocks.append(Picture("ranks", "Ranks over tasks", caption, _diagram(ordered, compared.critical_difference)))
    return blocks


def _diagram(ordered: list[tuple[str, float]], difference: float) -> Figure:
    count, groups = len(ordered), _groups([rank for _, rank in ordered], difference)
    half = (count + 1) // 2
    depth = 0.9 + 0.22 * len(groups) + 0.42 * half
    figure = new_figure(0.32 * depth + 0.5)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0.2 - 0.24 * count, count + 0.8 + 0.24 * count)
    axes.set_ylim(-depth, 1.0)
    axes.plot([1, count], [0, 0], color=INK, lw=0.9)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.12], color=INK, lw=0.8)
        axes.annotate(str(rank), (rank, 0.16), ha="center", va="bottom", fontsize=8)
    shown = min(difference, count - 1)
    axes.plot([1, 1 + shown], [0.78, 0.78], color=INK, lw=1.6)
    axes.annotate(f"  critical difference {difference:.2f}", (1 + shown, 0.78), va="center", fontsize=8)
    for level, (first, last) in enumerate(groups):
        y, reach = -0.3 - 0.22 * level, [ordered[first][1] - 0.05, ordered[last][1] + 0.05]
        axes.plot(reach, [y, y], color=INK, lw=2.8, solid_capstyle="butt")
    for place, (family, at) in enumerate(ordered):
        left = place < half
        y = -0.75 - 0.22 * len(groups) - 0.42 * (place if left else count - 1 - place)
        end: float = 0.75 if left else count + 0.25
        axes.plot([at, at, end], [0, y, y], color=INK, lw=0.6)
        text = f"{family}  {at:.2f} " if left else f" {at:.2f}  {family}"
        axes.annotate(text, (end, y), ha="right" if left else "left", va="center", fontsize=8)
    return figure


def _groups(ranks: list[float], difference: float) -> list[tuple[int, int]]:
    """The longest runs of ordered ranks that differ by less than the critical difference: first and last place."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = int(np.searchsorted(ranks, rank + difference)) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
