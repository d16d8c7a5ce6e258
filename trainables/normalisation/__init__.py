"""From raw pixels to what a network sees, fitted to the training part, one way per file.

`catalogue.py` names them with their options and is plain data; `base.py` says what a normalisation is. May import torch
and numpy; never Ray, MLflow or the platform. What is imported here needs no torch.
"""

from trainables.normalisation.catalogue import (
    NORMALISATIONS,
    check_images,
    complete_normalisation,
    make_normalisation,
    normalisation_class,
)

__all__ = ["NORMALISATIONS", "check_images", "complete_normalisation", "make_normalisation", "normalisation_class"]
