"""The platform: from a study file to finished trials, tables and exported configurations. Never a tensor.

Read in this order: `spec/` (the study file), `plan.py` (what it asks for), `ledger.py` (what happened), `agenda.py`
(what is missing), `launch.py` (runs it on Ray Tune), `results.py` and `export/` (what comes out). `paths.py` knows
every file that a study leaves; `cli/` has one file per command. May import `trainables` and `search_spaces`; heavy
libraries are imported inside functions, so that the command line answers at once. From Python: `from study import
Study` (`api.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import Study as Study

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Study`, imported when it is asked for."""
    if name != "Study":
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    from study.api import Study

    return Study
