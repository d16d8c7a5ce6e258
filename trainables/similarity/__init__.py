"""How much classes resemble one another, as a matrix `[C, C]`: by name, from data, words, a hierarchy or a file.

    from trainables.similarity.fit import fit
    fit("lda", images=images, labels=labels, num_classes=10)                        a target similarity, for MCEL
    fit({"name": "order", "r": 0.7}, num_classes=10, contract="likeness")           a likeness, for SimLoss

`catalogue.py` lists every kind with its options, their ranges and what it needs, without importing numpy; a file per
kind makes it; `contracts.py` says what the two sorts of matrix are; `report.py` and `drawing.py` show one. May import
numpy, scipy and matplotlib; never torch, Ray, MLflow or the platform.
"""

from __future__ import annotations

from trainables.similarity.catalogue import FORMAT, SIMILARITIES, check, identity, parse

__all__ = ["FORMAT", "SIMILARITIES", "check", "identity", "parse"]
