"""A table as LaTeX, for a document that loads booktabs."""

from __future__ import annotations

from study.report.document import Bold, Entry, Table, entry_text

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "–": "--", "—": "---", "−": "$-$", "·": r"$\cdot$", "×": r"$\times$",
    "…": r"\ldots{}", "†": r"\dag{}", "‡": r"\ddag{}", "≥": r"$\geq$", "≤": r"$\leq$", "²": r"\textsuperscript{2}",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "ε": r"$\epsilon$", "η": r"$\eta$", "ξ": r"$\xi$",
}  # fmt: skip


def latex(table: Table) -> str:
    r"""A floating table; `\usepackage{booktabs}` is all that it needs."""
    lines = [
        "% Written by 'study report'. Needs \\usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}. {escape(table.note)}}}".replace(". }", ".}"),
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{table.align}}}",
        r"\toprule",
        _row(table.columns),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _row(entries: tuple[Entry, ...]) -> str:
    return " & ".join(_entry(entry) for entry in entries) + r" \\"


def _entry(entry: Entry) -> str:
    return rf"\textbf{{{escape(entry.text)}}}" if isinstance(entry, Bold) else escape(entry_text(entry))


def escape(text: str) -> str:
    """Text as LaTeX prints it; a minus before a number is one."""
    return "".join(SPECIAL.get(letter, letter) for letter in " ".join(text.split()))
