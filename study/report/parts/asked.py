"""What was asked: the study file and its cells."""

from __future__ import annotations

from study.redaction import hidden
from study.report.document import Block, Entry, Listing, Paragraph, Section, Table
from study.report.gather import Material
from study.report.words import NOTHING, counted, listed, metric_words, settings
from trainables.losses.families import get_family

COLUMNS = ("family", "loss", "searched", "fixed", "configs on each task")


def section(material: Material) -> Section:
    """The study file as it was last launched, and a line for each cell."""
    spec = material.spec
    search, epochs = spec["search"], spec["training"].get("epochs")
    iterations = spec["training"].get("iterations")
    length = counted(epochs, "epoch") if epochs else counted(iterations or 0, "iteration")
    rows: list[tuple[Entry, ...]] = []
    for family in material.families:
        cells = [cell for cell in material.searched if cell.facts["label"] == family]
        searched = dict.fromkeys(name for cell in cells for name in cell.facts.get("searched", ()))
        counts = sorted({len(cell.configs) for cell in cells})
        loss = _loss_words(cells[0].facts["family"]) if cells else NOTHING
        params = next((config.params for cell in cells for config in cell.configs), {})
        fixed = settings(params, [name for key in params if (name := key.rpartition(".")[2]) not in searched])
        budget = listed([str(count) for count in counts])
        rows.append((family, loss, ", ".join(searched) or "nothing", fixed or NOTHING, budget))
    cut = search["repeats"] > 1 and spec["scheduler"]["name"] != "none"
    survives = " that survives its first" if cut else ""
    text = (
        f"{listed(material.families)} on {counted(len(material.tasks), 'task')}: search by '{search['name']}', "
        f"{counted(search['repeats'], 'repeat')} of each config{survives}, "
        f"scheduler '{spec['scheduler']['name']}', {length} a trial, "
        f"chosen by {metric_words(material.select.monitor)} at the {material.select.epoch} epoch."
    )
    blocks: list[Block] = [
        Paragraph(text),
        Table("families", "Families", "llllr", COLUMNS, tuple(rows)),
    ]
    if material.paths.study_file.is_file():
        blocks.append(Listing("The study file", hidden(material.paths.study_file.read_text(encoding="utf-8"))))
    return Section("What was asked", tuple(blocks))


def _loss_words(family: str) -> str:
    """What a loss is called in full; its import path where it is a user's own that is gone."""
    try:
        return get_family(family).title
    except (ValueError, ImportError):
        return family
