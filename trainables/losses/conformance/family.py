"""Every check there is, on one family of the catalogue or one of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from trainables.losses.conformance.checks import CHECKS
from trainables.losses.conformance.comparisons import check_compiled, check_neutral, check_stacked
from trainables.losses.conformance.subject import Subject
from trainables.losses.dataless import dataless_loss
from trainables.losses.families import Family, Real


def broken_promises(family: Family) -> list[str]:
    """A sentence for each check that the family fails, at its defaults; stacked with a lane of other values.

    A loss with attached modules is checked with one and with three; the neutral setting where one is declared.
    """
    checks: list[Callable[[], None]] = []
    for modules in (1, 3) if family.attaches_modules else (1,):
        here = _subject(family, modules)
        checks += [partial(check, here) for check in (*CHECKS, check_compiled)]
        checks.append(partial(check_stacked, [here, _subject(family, modules, _others(family))]))
    if family.neutral is not None:
        checks.append(partial(check_neutral, _subject(family, settings=family.neutral)))
    return [sentence for check in checks if (sentence := _failure(check))]


def _failure(check: Any) -> str:
    title = check.func.__name__.removeprefix("check_").replace("_", " ")
    try:
        check()
    except Exception as problem:  # a broken promise, or whatever a loss of the user's raises
        kind = "" if isinstance(problem, AssertionError) else f"{type(problem).__name__}: "
        return f"{title}: {kind}{(str(problem).splitlines() or [''])[0]}"
    return ""


def _subject(family: Family, modules: int = 1, settings: Mapping[str, Any] | None = None) -> Subject:
    def make(num_classes: int) -> Any:
        return dataless_loss(family.name, num_classes, settings, num_modules=modules)

    return Subject(make, num_modules=modules)


def _others(family: Family) -> dict[str, Any]:
    """Another value for each real hyperparameter that does not change the structure."""
    structure, others = dataless_loss(family.name, 5).structure, {}
    for key, kind in family.hyperparameters.items():
        if isinstance(kind, Real):
            tried = (0.7 * kind.default, 1.3 * kind.default, kind.default + 0.3, kind.default - 0.3)
            other = next((value for value in tried if value != kind.default and kind.holds(value)), kind.default)
            if dataless_loss(family.name, 5, {key: other}).structure == structure:
                others[key] = other
    return others
