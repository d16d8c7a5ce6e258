"""Random changes of training images, one per file, on the device that trains.

`catalogue.py` names them with their options and is plain data; `standard.py` lists the papers' choice for each data
set; `base.py` says what an augmentation is. `trainables/engine/augmenting.py` applies them, each lane from a stream of
its own. May import torch and torchvision; never Ray, MLflow or the platform. What is imported here needs no torch.
"""

from trainables.augmentation.catalogue import AUGMENTATIONS, complete_augmentation, make_augmentation
from trainables.augmentation.standard import STANDARD, resolve_augment, standard_for

__all__ = ["AUGMENTATIONS", "STANDARD", "complete_augmentation", "make_augmentation", "resolve_augment", "standard_for"]
