"""One sentence for a name nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SHOWN = 40  # names that one sentence lists
LONGEST = 80  # characters of the unknown one that it quotes


def unknown_name(kind: str, name: object, known: Iterable[str], plural: str) -> str:
    """`unknown KIND 'NAME'; did you mean 'NEAREST'? PLURAL: the known ones`, at most `SHOWN` of them."""
    names, said = list(known), str(name)
    lowered = {each.lower(): each for each in names}
    near = [lowered[each] for each in difflib.get_close_matches(said[:LONGEST].lower(), lowered, n=1, cutoff=0.5)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    hint = f"; did you mean '{near[0]}'?" if near else ";"
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}..."
    return f"unknown {kind} '{said}'{hint} {plural}: {', '.join(names[:SHOWN]) or 'none'}{more}"
