"""Label noise: what becomes of true labels in training and validation, one kind per file.

| kind | what a label becomes, T[i, j] = p(label j, class i) | source |
|---|---|---|
| `none` | itself; T = I | |
| `uniform` | a draw over all classes: T = (1 - rate) I + rate / C | Martinez and Stiefelhagen, section 4 |
| `symmetric` | a draw over the others: T[i, j] = rate / (C - 1) | Patrini et al., CVPR 2017 |
| `pair` | the class's random partner: T[a, b] = T[b, a] = rate | Negi et al., figure 5 |
| `asymmetric` | what the class is mistaken for: T[i, mapping(i)] = rate | Patrini et al., CVPR 2017 |
| `instance` | what a random projection of the pixels says | Xia et al., NeurIPS 2020, algorithm 2 |
| `matrix` | a draw from row i of a given T | |
| `file` | what a file says of the image | such as CIFAR-N: Wei et al., ICLR 2022 |

`catalogue.py` holds the table `NOISES` and checks what a study file says; `kind.py` is what all kinds share;
`transition.py` checks and measures transition matrices; `manifest.py` says what a kind did to a task.

Counts are exact: `round(rate N)` labels are replaced rather than N coins tossed; where a kind acts on classes,
`round(rate n)` of each. Masks of one seed are nested: what is replaced at 0.2 is replaced alike at 0.4. Draws come
from `numpy.random.default_rng` and the task's noise seed alone. May import numpy, and torch to read a .pt file; never
Ray, MLflow or the platform.
"""

from __future__ import annotations

from trainables.data.noise.catalogue import CLEAN, NOISES, parse, settle, title, with_seed
from trainables.data.noise.kind import NoiseKind, Part
from trainables.data.noise.manifest import manifest
from trainables.data.noise.transition import transition_matrix

__all__ = [
    "CLEAN", "NOISES", "NoiseKind", "Part", "manifest", "parse", "settle", "title", "transition_matrix", "with_seed",
]  # fmt: skip
