"""What the paper printed, beside what came out here."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from study.records.ledger import CONFIRM
from study.report.document import Block, Entry, Paragraph, Section, Table
from study.report.gather import Material
from study.report.words import NOTHING, noise_name, signed
from study.results.selection import CellResult, ConfigResult
from study.spec.paper import PaperMetric, PaperNumber

SMOKE = (
    "The paper's numbers are not set beside those of this smoke run: a few hundred images, two epochs and another "
    "network have nothing to say of them. The report of the whole study does it, number by number."
)
AMBIGUOUS = (
    "Several noises of the study have the rate of some of the paper's numbers: these are set beside none of our scores "
    "until 'noise' in the study file's 'paper' says which one they are of."
)
MEASURED = {"accuracy": "accuracy", "error": "accuracy", "top5_accuracy": "top5", "top5_error": "top5"}


def section(material: Material) -> Section | None:
    """A row for each printed number and each task that it is of; None where the study file has no paper."""
    paper = material.paper
    if paper is None:
        return None
    if material.smoke:
        return Section("Paper against ours", (Paragraph(f"Source: {paper.source}. {SMOKE}"),))
    confirmed = material.comparison.phase == CONFIRM
    ours = "confirmed test scores" if confirmed else (
        "validation scores against the true labels, on which configs were chosen: no test scores, and not comparable "
        f"with a paper's until 'study confirm {material.name}' has run"
    )  # fmt: skip
    blocks: list[Block] = [Paragraph(f"Source: {paper.source}. Ours are {ours}. All numbers are percent.")]
    if paper.note:
        blocks.append(Paragraph(f"Of the paper's numbers: {paper.note}"))
    if not paper.numbers:
        blocks.append(Paragraph("The paper prints no number to compare with."))
        return Section("Paper against ours", tuple(blocks))
    rows = [row for number in paper.numbers for row in _rows(material, number, number.metric or paper.metric)]
    if any(_noises(material, number) for number in paper.numbers):
        blocks.append(Paragraph(AMBIGUOUS))
    blocks.append(
        Table(
            "paper",
            f"{paper.source}, and ours",
            "lllrrrr",
            ("family", "task", "metric", "paper", "ours", "n", "difference"),
            tuple(rows),
            "Difference is ours minus the paper's, in points; a paper's number without a spread leaves nothing to test "
            "it by. q: the paper took the number from elsewhere. ± is the standard deviation over repeats.",
        )
    )
    return Section("Paper against ours", tuple(blocks))


def _rows(material: Material, number: PaperNumber, metric: PaperMetric) -> Iterator[tuple[Entry, ...]]:
    printed = f"{number.value:.2f}" + (f" ± {number.sd:.2f}" if number.sd is not None else "")
    printed += " q" if number.quoted else ""
    noises = _noises(material, number)
    cells = [] if noises else [cell for cell in _with_unconfirmed(material) if _is_of(number, cell, material)]
    for cell in cells:
        unconfirmed = _lacks_confirmation(material, cell)
        values = _ours(material, cell, number, metric) if not unconfirmed else []
        mean = statistics.fmean(values) if values else None
        sd = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        yield (
            number.family + _params(number),
            cell.facts["task"] + " (not confirmed)" * unconfirmed,
            metric.replace("_", " ").replace("top5", "top-5"),
            printed,
            f"{mean:.2f}{sd}" if mean is not None else NOTHING,
            str(len(values)),
            signed(mean - number.value, 2) if mean is not None else NOTHING,
        )
    if not cells:
        rate = f"{number.noise_rate:g}" if number.noise_rate is not None else ""
        noise = f"{number.noise or 'noise'} {rate}".strip() if number.noise or rate else None
        where = ", ".join(each for each in (number.dataset, noise, number.model) if each)
        why = f"of {' or '.join(noises)}?" if noises else "not in this study as it ran"
        task = f"{where or 'any task'} ({why})"
        yield (number.family + _params(number), task, metric.replace("_", " "), printed, NOTHING, "0", NOTHING)


def _with_unconfirmed(material: Material) -> tuple[CellResult, ...]:
    """The cells whose scores are compared, and those that a confirmation has still to come to."""
    return (*material.judged, *(cell for cell in material.searched if _lacks_confirmation(material, cell)))


def _lacks_confirmation(material: Material, cell: CellResult) -> bool:
    searched = cell.facts.get("phase") != CONFIRM
    return searched and material.comparison.phase == CONFIRM and material.confirmed_as(cell) is None


def _noises(material: Material, number: PaperNumber) -> list[str]:
    """The noises of the study that a number's rate may be of, where there are several."""
    if number.noise_rate is None:
        return []
    cells = (cell for cell in _with_unconfirmed(material) if _is_of(number, cell, material))
    found = list(dict.fromkeys(cell.facts["noise"] for cell in cells))
    return found if len(found) > 1 else []


def _params(number: PaperNumber) -> str:
    return "".join(f", {key} {value}" for key, value in number.params.items())


def _is_of(number: PaperNumber, cell: CellResult, material: Material) -> bool:
    facts = cell.facts
    return (
        facts["label"] == number.family
        and number.dataset in (None, facts["dataset"], material.datasets.get(facts["dataset"]))
        and number.noise_rate in (None, facts["noise_rate"])
        and (number.noise in (None, facts.get("noise_kind"), noise_name(facts)) or number.noise_rate == 0)
        and number.model in (None, facts["model"], facts["model"].partition(" ")[0])
    )


def _ours(material: Material, cell: CellResult, number: PaperNumber, metric: PaperMetric) -> list[float]:
    """Percent by repeat: of the config that the number is of, or of the best one."""
    name, share = MEASURED[metric], 100.0
    config = _config(cell, number)
    if config is None:
        return []
    if cell.facts.get("phase") == CONFIRM:
        values = [trial.facts["test"].get(f"test_{name}") for trial in config.trials]
    elif cell.best is not None and config.key == cell.best.key:
        values = list(material.values(cell, f"val_{name}_clean"))
    else:
        return []
    found = [share * value for value in values if value is not None]
    return [share - value for value in found] if metric.endswith("error") else found


def _config(cell: CellResult, number: PaperNumber) -> ConfigResult | None:
    if not number.params:
        return cell.best
    return next(
        (
            config
            for config in cell.configs
            if config.n and all(config.params.get(key) == value for key, value in number.params.items())
        ),
        None,
    )
