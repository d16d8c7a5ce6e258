"""A table as LaTeX, for a document that loads booktabs and graphicx."""

from __future__ import annotations

import re
import unicodedata

from study.report.document import Bold, Entry, Table, entry_text

HYPHEN = "\0"  # stands for one before another, which would become a dash
SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}", HYPHEN: "-{}",
    "[": "{[}", "*": "{*}",  # at the beginning of a row these would belong to the end of the one before
    "±": r"$\pm$", "–": "--", "—": "---", "−": "$-$", "·": r"$\cdot$", "×": r"$\times$", "…": r"\ldots{}",
    "†": r"\dag{}", "‡": r"\ddag{}", "≥": r"$\geq$", "≤": r"$\leq$", "≠": r"$\neq$", "≈": r"$\approx$",
    "→": r"$\rightarrow$", "∞": r"$\infty$", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$",
    "‘": "`", "’": "'", "“": "``", "”": "''",
    "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\epsilon$", "ζ": r"$\zeta$",
    "η": r"$\eta$", "θ": r"$\theta$", "ι": r"$\iota$", "κ": r"$\kappa$", "λ": r"$\lambda$", "μ": r"$\mu$",
    "ν": r"$\nu$", "ξ": r"$\xi$", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$", "τ": r"$\tau$",
    "υ": r"$\upsilon$", "φ": r"$\phi$", "χ": r"$\chi$", "ψ": r"$\psi$", "ω": r"$\omega$", "µ": r"$\mu$",
    "Γ": r"$\Gamma$", "Δ": r"$\Delta$", "Θ": r"$\Theta$", "Λ": r"$\Lambda$", "Ξ": r"$\Xi$", "Π": r"$\Pi$",
    "Σ": r"$\Sigma$", "Φ": r"$\Phi$", "Ψ": r"$\Psi$", "Ω": r"$\Omega$",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}",
    "Ł": r"\L{}", "ı": r"\i{}",
}  # fmt: skip
ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`", "\N{COMBINING ACUTE ACCENT}": "'", "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~", "\N{COMBINING DIAERESIS}": '"', "\N{COMBINING RING ABOVE}": "r ",
    "\N{COMBINING CEDILLA}": "c ", "\N{COMBINING CARON}": "v ", "\N{COMBINING BREVE}": "u ",
    "\N{COMBINING MACRON}": "=", "\N{COMBINING DOUBLE ACUTE ACCENT}": "H ", "\N{COMBINING DOT ABOVE}": ".",
}  # fmt: skip
HIGHEST = "0.75\\textheight"  # of a table: the rest of a page is for its caption


def latex(table: Table) -> str:
    r"""A floating table, smaller than the text where it would be wider than a line or higher than a page.

    `\usepackage{booktabs, graphicx}` is all that it needs.
    """
    lines = [
        "% Written by 'study report'. Needs \\usepackage{booktabs, graphicx}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.title)}. {escape(table.note)}}}".replace(". }", ".}"),
        rf"\label{{tab:{table.name}}}",
        rf"\sbox0{{\begin{{tabular}}{{{table.align}}}",
        r"\toprule",
        _row(table.columns),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}%",
        r"\ifdim\wd0>\linewidth\sbox0{\resizebox{\linewidth}{!}{\usebox0}}\fi",
        rf"\ifdim\dimexpr\ht0+\dp0>{HIGHEST}\sbox0{{\resizebox*{{!}}{{{HIGHEST}}}{{\usebox0}}}}\fi",
        r"\usebox0",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _row(entries: tuple[Entry, ...]) -> str:
    return " & ".join(_entry(entry) for entry in entries) + r" \\"


def _entry(entry: Entry) -> str:
    return rf"\textbf{{{escape(entry.text)}}}" if isinstance(entry, Bold) else escape(entry_text(entry))


def escape(text: str) -> str:
    """Text in ASCII as any LaTeX prints it; of a letter that it may not have, the code: `[U+4E2D]`."""
    single = re.sub("-(?=-)", HYPHEN, " ".join(text.replace(HYPHEN, "").split()))
    return "".join(SPECIAL.get(letter) or _plain(letter) for letter in unicodedata.normalize("NFC", single))


def _plain(letter: str) -> str:
    if letter.isascii() and letter.isprintable():
        return letter
    base, *accents = list(unicodedata.normalize("NFD", letter))
    if base.isascii() and len(accents) == 1 and accents[0] in ACCENTS:
        return rf"\{ACCENTS[accents[0]]}{{{base}}}"
    return f"{SPECIAL['[']}U+{ord(letter):04X}]"
