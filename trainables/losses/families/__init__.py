"""The catalogue of loss families: formula, hyperparameters with their ranges, neutral setting, paper.

Plain data, no torch: the command line lists it and the study file is checked against it in milliseconds. `papers.py`
has the families of the four papers, `baselines.py` what they are compared with today; `kinds.py` says what values a
hyperparameter takes, `family.py` what is said of a family; `own.py` makes one of a user's own loss.
Notation: q = softmax(logits), y the label, C classes.
"""

from __future__ import annotations

from trainables.losses.families.baselines import BASELINES
from trainables.losses.families.family import Family
from trainables.losses.families.kinds import Blocks, Choice, Hyperparameter, Integer, Matrix, Real, Similarity
from trainables.losses.families.own import own_family
from trainables.losses.families.papers import PAPERS
from trainables.names import unknown_name
from trainables.own import is_own

__all__ = [
    "FAMILIES", "Blocks", "Choice", "Family", "Hyperparameter", "Integer", "Matrix", "Real", "Similarity", "get_family",
]  # fmt: skip

FAMILIES: dict[str, Family] = {family.name: family for family in (*PAPERS, *BASELINES)}


def get_family(name: str) -> Family:
    """The family called `name`, or the user's own loss at that import path; ValueError where there is none."""
    if is_own(name):
        return own_family(name)
    if name not in FAMILIES:
        raise ValueError(unknown_name("family", name, sorted(FAMILIES), "families"))
    return FAMILIES[name]
