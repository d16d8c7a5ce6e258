"""What was asked: the study file, its cells and their budget."""

from __future__ import annotations

from study.redaction import hidden
from study.report.document import Block, Entry, Listing, Paragraph, Section, Table
from study.report.gather import Material
from study.report.words import counted, listed, metric_words


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
        rows.append((family, ", ".join(searched) or "nothing", listed([str(count) for count in counts])))
    text = (
        f"{listed(material.families)} on {counted(len(material.tasks), 'task')}: search by '{search['name']}', "
        f"{counted(search['repeats'], 'repeat')} of each config that survives its first, "
        f"scheduler '{spec['scheduler']['name']}', {length} a trial, "
        f"chosen by {metric_words(material.select.monitor)} at the {material.select.epoch} epoch."
    )
    budgets = {len(cell.configs) for cell in material.searched}
    if len(budgets) > 1:
        text += (
            f" Budgets differ: cells have {listed([str(count) for count in sorted(budgets)])} configs, and a "
            "family with more of them has had more chances."
        )
    blocks: list[Block] = [
        Paragraph(text),
        Table("families", "Families", "llr", ("family", "searched", "configs on each task"), tuple(rows)),
    ]
    if material.paths.study_file.is_file():
        blocks.append(Listing("The study file", hidden(material.paths.study_file.read_text(encoding="utf-8"))))
    return Section("What was asked", tuple(blocks))
