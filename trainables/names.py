"""One sentence for a name nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown_name(kind: str, name: object, known: Iterable[str], plural: str) -> str:
    """`unknown KIND 'NAME'; did you mean 'NEAREST'? PLURAL: all the known ones`."""
    names = list(known)
    lowered = {each.lower(): each for each in names}
    near = [lowered[each] for each in difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)]
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    return f"unknown {kind} '{name}'{hint} {plural}: {', '.join(names) or 'none'}"
