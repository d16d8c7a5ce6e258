"""What scores must share to be compared: protocol, images and test set; of a repeat its split, noise and seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from study.errors import StudyError
from study.results.entries import Entry

OF_A_TASK = ("images", "test set")  # one for all repeats
WAY_OUT = (
    "compare studies of one seed and data set, and launch one whose data or code has changed anew under another name"
)


def check_alike(entries: Sequence[Entry]) -> None:
    """StudyError where entries of one task are not of the same data, or do not say of which; or protocols are mixed."""
    _check_protocols(entries)
    for task in dict.fromkeys(entry.task for entry in entries):
        _check_hashes([entry for entry in entries if entry.task == task and entry.scores])


def paired(entry: Entry, reference: Entry) -> tuple[list[float], list[float]]:
    """The scores of the repeats that both have, in the same order."""
    theirs = {trial.repeat: score for trial, score in zip(reference.trials, reference.scores, strict=True)}
    pairs = [
        (score, theirs[trial.repeat])
        for trial, score in zip(entry.trials, entry.scores, strict=True)
        if trial.repeat in theirs
    ]
    return [ours for ours, _ in pairs], [other for _, other in pairs]


def _check_protocols(entries: Sequence[Entry]) -> None:
    found = {entry.protocol: entry.study for entry in entries if entry.scores}
    if len(found) < 2:
        return
    said = ", ".join(f"{study} by '{protocol}'" for protocol, study in found.items())
    protocol, study = next(iter(found)), list(found.values())[-1]
    raise StudyError(
        f"test scores of different protocols cannot be compared: confirmed were {said}; confirm all by one, as "
        f"'study confirm {study} --protocol {protocol}' does, or compare each by itself"
    )


def _check_hashes(entries: Sequence[Entry]) -> None:
    repeats = Counter(trial.repeat for entry in entries for trial in entry.trials)
    seen: dict[tuple[str, int | None], tuple[Entry, str]] = {}
    for entry in entries if len(entries) > 1 else ():
        for trial, hashes in zip(entry.trials, entry.hashes, strict=True):
            for what, found in hashes.items():
                if what not in OF_A_TASK and repeats[trial.repeat] < 2:  # no other entry has this repeat
                    continue
                where = "" if what in OF_A_TASK else f" of repeat {trial.repeat}"
                if not found:
                    raise StudyError(
                        f"{entry.family} on {entry.task}: no hash of the {what}{where} is known, so it cannot be told "
                        "whether its scores may be paired with others; launch the study anew under another name"
                    )
                first, known = seen.setdefault((what, None if what in OF_A_TASK else trial.repeat), (entry, found))
                if found != known:
                    raise StudyError(
                        f"{entry.family} and {first.family} on {entry.task} differ in the {what}{where}: they cannot "
                        f"be paired ({found} and {known}); {WAY_OUT}"
                    )
