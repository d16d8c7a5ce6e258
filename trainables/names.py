"""One sentence for a name nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 40  # names that one sentence lists


def unknown_name(kind: str, name: object, known: Iterable[str], plural: str) -> str:
    """`unknown KIND 'NAME'; did you mean 'NEAREST'? PLURAL: the known ones`, at most `SHOWN` of them."""
    names = list(known)
    lowered = {each.lower(): each for each in names}
    near = [lowered[each] for each in difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    return f"unknown {kind} '{name}'{hint} {plural}: {', '.join(names[:SHOWN]) or 'none'}{more}"
