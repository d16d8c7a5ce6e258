"""The search's budget: what each family was given on each task, and what it took."""

from __future__ import annotations

from study.report.document import Block, Entry, Paragraph, Section, Table
from study.report.gather import Material

MOST_UNFOLDED = 16  # rows


def section(material: Material) -> Section | None:
    """A sentence and a table; None where nothing was searched."""
    (budget,) = material.comparison.budgets
    if not budget.costs:
        return None
    repeats = material.spec["search"]["repeats"] > 1
    on_gpus = any(cost.gpu_seconds for cost in budget.costs)
    on_cores = any(cost.core_seconds for cost in budget.costs) or not on_gpus
    lines: list[tuple[Entry, ...]] = [
        (
            cost.task,
            cost.family,
            f"{cost.configs:,}",
            *([f"{cost.screening_epochs:,}"] if repeats else []),
            f"{cost.epochs:,}",
            *([f"{cost.core_seconds:,.0f}"] if on_cores else []),
            *([f"{cost.gpu_seconds:,.0f}"] if on_gpus else []),
        )
        for cost in budget.costs
    ]
    blocks: list[Block] = [
        Paragraph(budget.sentence),
        Table(
            "budget",
            "What the search took",
            "ll" + "r" * (2 + repeats + on_cores + on_gpus),
            (
                "task", "family", "configs", *(["epochs of screening"] if repeats else []), "epochs",
                *(["core-seconds"] if on_cores else []), *(["GPU-seconds"] if on_gpus else []),
            ),
            tuple(lines),
            "Configs that were begun, and what their trials took, those that were stopped early or diverged among "
            "them; the confirmation is not in it. "
            + ("Screening is a config's first repeat. " if repeats else "")
            + "Seconds are those of training, times the cores or the share of a GPU that a trial had.",
            folded=len(lines) > MOST_UNFOLDED,
        ),
    ]  # fmt: skip
    return Section("Budget of the search", tuple(blocks))
