"""A study as a page to send to a colleague: what was asked, what came out, and what cannot be concluded.

`make.py` writes it. `gather.py` reads everything from the ledger once; each file of `parts/` makes one section of it,
of plain blocks (`document.py`); `page.py`, `markdown.py` and `latex.py` put the blocks into words, and `look.py` says
what every figure looks like. It stands on `study.results` and on the files of `study.tracking.pictures`.
"""

from study.report.make import write_report

__all__ = ["write_report"]
