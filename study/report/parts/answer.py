"""The answer in words, a paragraph for each task."""

from __future__ import annotations

from study.ledger import CONFIRM
from study.report.document import Block, Items, Paragraph, Section
from study.report.gather import Leaders, Material
from study.report.words import counted, listed, metric_words, score_text
from study.statistics import FEWEST_PAIRS


def section(material: Material) -> Section:
    """Which family is best on each task, what cannot be told from it, and what kind of numbers these are."""
    metric, way = material.comparison.metric, "highest" if material.comparison.more_is_better else "lowest"
    paragraphs = [
        Paragraph(_task_text(task, leaders, f"{way} {metric_words(metric, clean=material.is_clean(task))}"))
        for task, leaders in material.leaders.items()
    ]
    missing = [task for task in material.comparison.tasks if task not in material.leaders]
    if missing:
        paragraphs.append(Paragraph(f"No family has a score yet on {listed(missing)}."))
    if any(leaders.level for leaders in material.leaders.values()):
        paragraphs.append(Paragraph(LEVEL))
    blocks: list[Block] = [*paragraphs, Paragraph(_kind(material))]
    if material.left_out:
        blocks += [Paragraph("Left out of the confirmed scores:"), Items(tuple(f"{s}." for s in material.left_out))]
    return Section("The answer", tuple(blocks))


LEVEL = (
    "'Not distinguishable' means that so few repeats, with p-values corrected for so many tests, cannot tell the "
    "difference, even where it looks large; it does not mean that the two are equal. What could have been told stands "
    "beside the scores."
)
MOST_NAMED = 3  # families: more of them say nothing one by one


def _task_text(task: str, leaders: Leaders, best_what: str) -> str:
    entry, n = leaders.best.entry, len(leaders.best.entry.scores)
    score = f"{entry.mean:.4f}" if leaders.tied else score_text(entry.scores)  # whose spreads may differ
    text = f"On {task}: {_first(leaders)} the {best_what}, {score} (n = {n})."
    it = leaders.family if leaders.tied else "it"
    if not leaders.others:
        return f"{text} No other family has a score."
    if not leaders.tested:
        why = "one repeat gives no spread" if n == 1 else (
            f"no other family shares {FEWEST_PAIRS} repeats with it whose differences are not all equal"
        )  # fmt: skip
        return f"{text} Whether another family is worse cannot be said: {why}."
    if leaders.level:
        text += f" Not distinguishable from {it}: {_level(leaders)}."
    else:
        text += (
            f" {leaders.family if leaders.tied else 'It'} is distinguishable from every other family that was tested."
        )
    if leaders.worse and leaders.level:
        text += f" Distinguishably worse: {listed(leaders.worse)}."
    if leaders.untested:
        text += f" Not tested, for want of repeats or of differences that vary: {listed(leaders.untested)}."
    return text


def _first(leaders: Leaders) -> str:
    """Who leads; the order of the study file decides nothing."""
    if not leaders.tied:
        return f"{leaders.family} has"
    return f"{listed([leaders.family, *leaders.tied])} tie for"


def _level(leaders: Leaders) -> str:
    if len(leaders.level) > MOST_NAMED:
        return f"{len(leaders.level)} of the {counted(len(leaders.others), 'other')}, marked † below"
    rows = [row for row in leaders.others if row.entry.family in leaders.level]
    return listed([f"{row.entry.family} ({abs(row.test.mean):.4f} behind)" for row in rows if row.test])


def _kind(material: Material) -> str:
    if material.smoke:
        return "These are the numbers of a smoke run: they mean nothing, and no family is better for them."
    if material.comparison.phase == CONFIRM:
        return (
            "These are confirmed test scores: the configs that the search chose, trained on fresh repeats that no "
            "selection has seen, and tested once. They hold for this data, this split, this network and these search "
            "spaces, not for others."
        )
    return (
        "These are validation scores that selection has seen: each config was chosen on these very numbers, which "
        "flatter a family the more the more configs it had. They are no test result; 'study confirm "
        f"{material.name}' judges the best configs on fresh repeats by the test set."
    )
