"""How alike the names of classes are, by word vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trainables.similarity.cifar100 import SIMLOSS_LEFT_OUT, SIMLOSS_SPELLING
from trainables.similarity.vectors import read_vectors

SIMLOSS = SIMLOSS_SPELLING | SIMLOSS_LEFT_OUT


def word_likeness(
    path: str | Path, class_names: Sequence[str], spelling: str | Mapping[str, str] = "own"
) -> np.ndarray:
    """The cosine similarity of the word vectors of the class names, `[C, C]`. Kobs et al., SimLoss, 2020.

    `path` is a word2vec file (see `vectors.py`); theirs is GoogleNews-vectors-negative300. Of each class the first of
    `variants` that the file has is taken. `spelling`: "own" looks for the class's name first, "simloss" for the
    authors' spelling of CIFAR-100's names; a mapping says which word stands for a class, and no other is tried for
    it. ValueError naming the classes for which there is no word.
    """
    if isinstance(spelling, Mapping):
        _refuse_strangers(spelling, class_names)
    candidates = {name: variants(name, spelling) for name in class_names}
    vectors = read_vectors(path, {word for words in candidates.values() for word in words})
    found = {name: next((word for word in words if word in vectors), None) for name, words in candidates.items()}
    missing = [name for name, word in found.items() if word is None]
    if missing:
        raise ValueError(
            f"{path} has no vector for {', '.join(missing)}; say which words to take instead: "
            f"spelling: {{{missing[0]}: WORD}}"
        )
    taken = np.stack([vectors[word] for word in found.values() if word is not None]).astype(np.float64)
    if not np.isfinite(taken).all():
        name = class_names[int(np.isfinite(taken).all(axis=1).argmin())]
        raise ValueError(f"{path}: the vector of '{found[name]}', for class '{name}', is not of finite float32 numbers")
    lengths = np.linalg.norm(taken, axis=1, keepdims=True)
    if not (lengths > 0).all():
        name = class_names[int(lengths.argmin())]
        raise ValueError(f"{path}: the vector of '{found[name]}', for class '{name}', is zero")
    taken /= lengths
    likeness = np.clip(taken @ taken.T, -1, 1)
    np.fill_diagonal(likeness, 1)
    return likeness


def variants(name: str, spelling: str | Mapping[str, str] = "own") -> list[str]:
    """The words that may stand for a class, the best first: as it is, joined otherwise, plural or singular, capital.

    The last ones are the authors' of SimLoss, such as `maple` for `maple_tree`: with `spelling="simloss"` the first.
    """
    if isinstance(spelling, Mapping) and name in spelling:
        return [spelling[name]]
    own = _joined(name)
    own += [other for word in own for other in _other_numbers(word)]
    own += [word.capitalize() for word in own] + ["_".join(map(str.capitalize, _parts(name)))]
    theirs = _joined(SIMLOSS[name]) if name in SIMLOSS else []
    return list(dict.fromkeys(theirs + own if spelling == "simloss" else own + theirs))


def _joined(name: str) -> list[str]:
    parts = _parts(name)
    return [name, name.lower(), *(joint.join(parts) for joint in ("_", "-", ""))]


def _parts(name: str) -> list[str]:
    return name.lower().replace("-", " ").replace("_", " ").split()


def _other_numbers(word: str) -> list[str]:
    """What may be its plural, and what may be its singular."""
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        plurals = [f"{word[:-1]}ies"]
    elif word.endswith(("s", "x", "ch", "sh")):
        plurals = [f"{word}es"]
    else:
        plurals = [f"{word}s"]
    endings = (("ies", "y"), ("es", ""), ("s", ""))
    return plurals + [word.removesuffix(plural) + single for plural, single in endings if word.endswith(plural)]


def _refuse_strangers(spelling: Mapping[str, str], class_names: Sequence[str]) -> None:
    strangers = [name for name in spelling if name not in class_names]
    if strangers:
        raise ValueError(f"spelling names {', '.join(strangers)}, which the data set does not have among its classes")
