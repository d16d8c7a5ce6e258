"""The answer in words, a paragraph for each task."""

from __future__ import annotations

from study.ledger import CONFIRM
from study.report.document import Paragraph, Section
from study.report.gather import Leaders, Material
from study.report.words import listed, metric_words, score_text


def section(material: Material) -> Section:
    """Which family is best on each task, what cannot be told from it, and what kind of numbers these are."""
    metric = metric_words(material.comparison.metric)
    way = "highest" if material.comparison.more_is_better else "lowest"
    paragraphs = [Paragraph(_task_text(task, leaders, f"{way} {metric}")) for task, leaders in material.leaders.items()]
    missing = [task for task in material.comparison.tasks if task not in material.leaders]
    if missing:
        paragraphs.append(Paragraph(f"No family has a score yet on {listed(missing)}."))
    if any(leaders.level for leaders in material.leaders.values()):
        paragraphs.append(Paragraph(LEVEL))
    return Section("The answer", (*paragraphs, Paragraph(_kind(material))))


LEVEL = (
    "'Not distinguishable' means that so few repeats, with p-values corrected for so many tests, cannot tell the "
    "difference, even where it looks large; it does not mean that the two are equal."
)


def _task_text(task: str, leaders: Leaders, best_what: str) -> str:
    entry, n = leaders.best.entry, len(leaders.best.entry.scores)
    text = f"On {task}: {entry.family} has the {best_what}, {score_text(entry.scores)} (n = {n})."
    if not leaders.tested:
        if not leaders.untested:
            return f"{text} No other family has a score."
        why = "one repeat gives no spread" if n == 1 else "no other family shares two repeats with it"
        return f"{text} Whether another family is worse cannot be said: {why}."
    if leaders.level:
        text += f" Not distinguishable from it: {listed(leaders.level)}."
    else:
        text += " It is distinguishable from every other family that was tested."
    if leaders.worse and leaders.level:
        text += f" Distinguishably worse: {listed(leaders.worse)}."
    if leaders.untested:
        text += f" Not tested for want of repeats: {listed(leaders.untested)}."
    return text


def _kind(material: Material) -> str:
    if material.smoke:
        return "These are the numbers of a smoke run: they mean nothing, and no family is better for them."
    if material.comparison.phase == CONFIRM:
        return (
            "These are confirmed test scores: the configs that the search chose, trained on fresh repeats that no "
            "selection has seen, and tested once. They hold for this data, this network and these search spaces, "
            "not for others."
        )
    return (
        "These are validation scores that selection has seen: each config was chosen on these very numbers, which "
        "flatter a family the more the more configs it had. They are no test result; 'study confirm "
        f"{material.name}' judges the best configs on fresh repeats by the test set."
    )
