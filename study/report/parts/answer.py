"""The answer in words, a paragraph for each task."""

from __future__ import annotations

from study.records.ledger import CONFIRM
from study.report.document import Block, Folded, Items, Paragraph, Section
from study.report.gather import Leaders, Material
from study.report.words import listed, metric_words, number_text, score_text
from study.results.compare import Row
from study.results.numbers import counted
from study.results.statistics import FEWEST_PAIRS, SIGNIFICANCE
from trainables.trial import SEARCH


def section(material: Material) -> Section:
    """Which family is best on each task, what tests say of the others, and what kind of numbers these are."""
    paragraphs = [Paragraph(" ".join(unfinished))] if (unfinished := _unfinished(material)) else []
    paragraphs += [Paragraph(_task_text(material, task)) for task in material.tasks if task in material.leaders]
    for task in material.tasks:
        if task not in material.leaders:
            paragraphs.append(Paragraph(f"No family has a score yet on {task}. {_without_score(material, task)}"))
    blocks: list[Block] = [*paragraphs, Paragraph(_kind(material))]
    if material.left_out:
        blocks += [Paragraph("Left out of the confirmed scores:"), Items(tuple(f"{s}." for s in material.left_out))]
    if notes := _notes(material):
        blocks.append(Folded("What 'not distinguishable' means, and how p-values are corrected", tuple(notes)))
    return Section("The answer", tuple(blocks))


def _unfinished(material: Material) -> list[str]:
    """What of the study is still to be done, and what that makes of all that follows."""
    found = material.comparison.unfinished
    if not found:
        return []
    goes_on = [] if material.running else ["Launch it again to go on." if found[0].phase == SEARCH else
                                           "Confirm it again to go on."]  # fmt: skip
    return [*(each.sentence for each in found), "What follows is of the trials so far, and may change.", *goes_on]


def _notes(material: Material) -> list[str]:
    """What a reader of the tests has to know, after their results."""
    compared, notes = material.comparison, []
    leaders = next(iter(material.leaders.values()), None)
    if compared.num_tests and leaders is not None and leaders.num_pairs:
        notes.append(
            f"These are two questions. The study's own is the one against the baseline, {compared.baseline}, which was "
            "named before there were scores: its p-values are corrected for "
            f"{counted(compared.num_tests, 'test')}. The best was picked by these very scores, so what is said against "
            f"it is corrected for all {pairs_text(leaders)}: less can be told."
        )
    if any(row.p is not None and row.p >= SIGNIFICANCE for row in _rows(material)):
        notes.append(LEVEL)
    return notes


def pairs_text(leaders: Leaders) -> str:
    """`109 pairs of families that could be tested (1 pair could not: ...)`."""
    said = f"{counted(leaders.num_pairs, 'pair')} of families"
    if not leaders.pairs_untested:
        return said
    return (
        f"{said} that could be tested ({counted(leaders.pairs_untested, 'pair')} could not, having fewer than "
        f"{FEWEST_PAIRS} repeats in common or differences that are all equal)"
    )


LEVEL = (
    "'Not distinguishable' means that so few repeats, with p-values corrected for so many tests, cannot tell the "
    "difference, even where it looks large; it does not mean that the two are equal. What could have been told stands "
    "beside the scores."
)
MOST_NAMED = 3  # families: more of them say nothing one by one


def _rows(material: Material) -> list[Row]:
    """Every test of either question."""
    against_best = [row for leaders in material.leaders.values() for row in leaders.others]
    return [*(row for rows in material.comparison.tasks.values() for row in rows), *against_best]


def _task_text(material: Material, task: str) -> str:
    leaders, compared = material.leaders[task], material.comparison
    way = "highest" if compared.more_is_better else "lowest"
    entry = leaders.best.entry
    score = number_text(entry.mean or 0.0) if leaders.tied else score_text(entry.scores)  # whose spreads may differ
    metric = metric_words(compared.metric, clean=material.is_clean(task))
    said = [
        f"On {task}: {_first(leaders)} the {way} {metric}, {score} (n = {len(entry.scores)}).",
        _against_best(leaders),
        _against_baseline(compared.tasks[task], more_is_better=compared.more_is_better),
        _without_score(material, task),
    ]
    return " ".join(each for each in said if each)


def _against_baseline(rows: list[Row], *, more_is_better: bool) -> str:
    """What the comparison with the baseline says; nothing where nothing was tested."""
    baseline, tested = rows[0].against, [row for row in rows if row.p is not None]
    found: dict[str, list[str]] = {"better than": [], "not distinguishable from": [], "worse than": []}
    for row in tested:
        verdict = row.verdict(more_is_better)
        next(names for words, names in found.items() if verdict.startswith(words)).append(row.entry.family)
    said = [f"{words} {baseline}: {_named(names, len(tested))}" for words, names in found.items() if names]
    return f"Against the baseline: {'; '.join(said)}." if said else ""


def _against_best(leaders: Leaders) -> str:
    n, best = len(leaders.best.entry.scores), leaders.family
    if not leaders.others:
        return "No other family has a score."
    if not leaders.tested:
        why = "one repeat gives no spread" if n == 1 else (
            f"no other family shares {FEWEST_PAIRS} repeats with it whose differences are not all equal"
        )  # fmt: skip
        return f"Whether another family is worse cannot be said: {why}."
    said = []
    if leaders.level:
        said.append(f"Not distinguishable from {best}: {_level(leaders)}.")
    else:
        said.append(f"Every other family that was tested is distinguishably worse than {best}.")
    if leaders.worse and leaders.level:
        said.append(f"Distinguishably worse: {listed(leaders.worse)}.")
    if leaders.untested:
        said.append(f"Not tested, for want of repeats or of differences that vary: {listed(leaders.untested)}.")
    return " ".join(said)


def _without_score(material: Material, task: str) -> str:
    lost = material.scoreless(task)
    return f"No score: {listed([f'{family} ({reason})' for family, reason in lost.items()])}." if lost else ""


def _first(leaders: Leaders) -> str:
    """Who leads; the order of the study file decides nothing."""
    if not leaders.tied:
        return f"{leaders.family} has"
    return f"{listed([leaders.family, *leaders.tied])} tie for"


def _named(families: list[str], tested: int) -> str:
    if len(families) > MOST_NAMED:
        return f"all {tested} others" if len(families) == tested else f"{len(families)} of {tested} others"
    return listed(families)


def _level(leaders: Leaders) -> str:
    if len(leaders.level) > MOST_NAMED:
        return f"{_named(list(leaders.level), len(leaders.others))}, marked † below"
    rows = [row for row in leaders.others if row.entry.family in leaders.level]
    return listed([f"{row.entry.family} ({number_text(abs(row.test.mean))} behind)" for row in rows if row.test])


def _kind(material: Material) -> str:
    if material.smoke:
        return "These are the numbers of a smoke run: they mean nothing, and no family is better for them."
    if material.comparison.phase == CONFIRM:
        return (
            "These are confirmed test scores: the configs that the search chose, trained on fresh repeats that no "
            "selection has seen, and tested once. They hold for this data, this split, this network and these search "
            "spaces, not for others."
        )
    advice = f"'study confirm {material.name}' judges the best configs on fresh repeats by the test set"
    if material.comparison.unfinished:
        advice += ", once the search is finished"
    return (
        "These are validation scores that selection has seen: each config was chosen on these very numbers, which "
        f"flatter a family the more the more configs it had. They are no test result; {advice}."
    )
