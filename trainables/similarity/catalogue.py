"""The catalogue of class similarities: what each is, what it needs, its options with their ranges.

Plain data, standard library only: a study file is checked against it in milliseconds. A study file names one by its
name (`lda`) or with options (`{name: lda, sharpness: exp, tau: 0.5}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainables.names import unknown_name
from trainables.similarity.options import Choice, Digest, File, Number, Option, Spelling, Switch

FORMAT = 1  # raised when a matrix comes out differently, so that kept ones are not read

IMAGES, CLASS_NAMES, CONFUSION = "images", "class names", "confusion"

SHARPNESSES = ("logistic", "exp", "inverse", "softmax", "linear")

Spec = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A class similarity. `gives` is what it is at first, a likeness or a target (`contracts.py`).

    `needs` says what it is made from beside its options; an option in `applies` counts for some choices alone.
    """

    name: str
    title: str
    formula: str
    source: str
    gives: str
    needs: tuple[str, ...] = ()
    options: Mapping[str, Option] = field(default_factory=dict)
    applies: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def parse(self, values: Mapping[str, Any]) -> Spec:
        """`values` checked, with the defaults of what is left out; only options that count are in it."""
        spec: Spec = {"name": self.name}
        for name in values:
            if name not in self.options:
                raise ValueError(unknown_name("option", name, self.options, f"similarity '{self.name}' has"))
        for name, option in self.options.items():
            other, choices = self.applies.get(name, (None, ()))
            if other is not None and spec[other] not in choices:
                if name in values:
                    raise ValueError(f"{name} is for {other} {' or '.join(choices)}; {other} is {spec[other]}")
            elif name in values:
                spec[name] = option.parse(name, values[name])
            elif option.required:
                raise ValueError(f"similarity '{self.name}' needs {name}: {option.meaning}")
            else:
                spec[name] = option.default
        return spec


def _sharpening(default: str) -> dict[str, Option]:
    return {
        "sharpness": Choice(default, SHARPNESSES, "how fast similarity falls with distance d = 1 - cos"),
        "tau": Number(0.25, 0, low_open=True, meaning="temperature; smaller is sharper"),
        "delta": Number(
            0.1, 0, low_open=True, meaning="what is added to a distance before it divides; smaller is sharper"
        ),
        "symmetric": SYMMETRIC,
    }


SYMMETRIC = Switch("scale rows and columns alike until both sum to 1 (Sinkhorn), instead of rows alone")
TEMPERED = {"tau": ("sharpness", ("exp", "softmax")), "delta": ("sharpness", ("inverse",))}
NEGI = "Negi, Chen and Mahoor, Mixed Cross Entropy Loss"
KOBS = "Kobs et al., SimLoss: Class Similarities in Cross Entropy, ISMIS 2020"

SIMILARITIES: dict[str, Kind] = {
    kind.name: kind
    for kind in [
        Kind(
            name="lda",
            title="class means in the space of the linear discriminants, of training images and the labels seen",
            formula="1 / (1 + exp(1 - cos(v_i, v_j)))",
            source=f"{NEGI}, eq. 12",
            gives="likeness",
            needs=(IMAGES,),
            options=_sharpening("logistic"),
            applies=TEMPERED,
        ),
        Kind(
            name="order",
            title="classes in an order, such as ages",
            formula="r^|i-j|",
            source=KOBS,
            gives="likeness",
            options={
                "r": Number(0.5, 0, 1, high_open=True, meaning="likeness of neighbouring classes"),
                "symmetric": SYMMETRIC,
            },
        ),
        Kind(
            name="words",
            title="word vectors of the class names",
            formula="cos(w_i, w_j)",
            source=KOBS,
            gives="likeness",
            needs=(CLASS_NAMES,),
            options={
                "path": File("a file of word vectors in word2vec's text or binary format, gzip too"),
                "digest": Digest(),
                "spelling": Spelling("own", ("own", "simloss"), "how class names are spelt in the file"),
                **_sharpening("linear"),
            },
            applies=TEMPERED,
        ),
        Kind(
            name="hierarchy",
            title="classes that share a superclass",
            formula="within | between",
            source="ours; CIFAR-100's superclasses by Krizhevsky, 2009",
            gives="likeness",
            needs=(CLASS_NAMES,),
            options={
                "path": File("each class's superclass, as YAML or CSV; without one, CIFAR-100's", required=False),
                "digest": Digest(),
                "within": Number(0.5, 0, 1, meaning="likeness of classes that share a superclass"),
                "between": Number(0.0, 0, 1, meaning="likeness of classes that do not"),
                "symmetric": SYMMETRIC,
            },
        ),
        Kind(
            name="file",
            title="a ready matrix: a target similarity or a likeness, told apart by its diagonal",
            formula="as it stands in the file",
            source="the user's",
            gives="either",
            options={"path": File("a matrix [C, C] as CSV or NPY"), "digest": Digest()},
        ),
        Kind(
            name="confusion",
            title="what a network takes a class for",
            formula="(N_ij + k) / Σ_{m≠i} (N_im + k)",
            source="ours",
            gives="target",
            needs=(CONFUSION,),
            options={
                "path": File("counts [C, C], row true class, column predicted, as CSV or NPY", required=False),
                "digest": Digest(),
                "smoothing": Number(1.0, 0, meaning="k, the count added to each kind of mistake"),
            },
        ),
        Kind(
            name="uniform",
            title="every other class alike: knows nothing",
            formula="1 / (C - 1)",
            source="the limit of any of them; MCEL with it is label smoothing",
            gives="target",
        ),
    ]
}


def parse(value: Any) -> Spec:
    """A similarity as a study file names it, as a mapping of its name and all options that count.

    Parsing its own result changes nothing. Raises ValueError for an unknown name or option, or a value out of range.
    """
    given = dict(value) if isinstance(value, Mapping) else {"name": value}
    name = given.pop("name", None)
    if name is None:
        raise ValueError(f"similarity {value!r} has no name; known: {', '.join(SIMILARITIES)}")
    if not isinstance(name, str):
        raise ValueError(f"similarity {name!r} is not a name; known: {', '.join(SIMILARITIES)}")
    if name not in SIMILARITIES:
        raise ValueError(unknown_name("similarity", name, SIMILARITIES, "similarities"))
    return SIMILARITIES[name].parse(given)


def check(value: Any) -> None:
    """Refuse what `parse` refuses, with ValueError."""
    parse(value)


def identity(spec: Spec) -> Spec:
    """What determines a similarity, of a resolved spec: a file counts by its content, wherever it lies."""
    return {name: value for name, value in spec.items() if name != "path" or spec.get("digest") is None}
