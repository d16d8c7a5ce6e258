"""Bad values are refused when the loss is made, by name, and the catalogue keeps its own rules."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainables.losses.formulas import C, make, noisy_transition, random_likeness, uniform_rows
from trainables.losses import FAMILIES, get_family, make_loss
from trainables.losses.base import Loss
from trainables.losses.ce import CrossEntropy
from trainables.losses.matrices import balanced_matrix


@pytest.mark.parametrize(
    ("family", "setting", "message"),
    [
        ("mcel", {"epsilon": 0.5, "similarity": "uniform"}, r"epsilon = 0\.5 is outside \[0, 0\.5\)"),
        ("mcel", {"epsilon": -0.1, "similarity": "uniform"}, r"epsilon = -0\.1 is outside"),
        ("label_smoothing", {"epsilon": -0.1}, r"epsilon = -0\.1 is outside \[0, 1\)"),
        ("label_smoothing", {"epsilon": 1.0}, r"epsilon = 1 is outside"),
        ("label_smoothing", {"epsilon": float("nan")}, "epsilon = nan is outside"),
        ("label_smoothing", {"epsilon": True}, "epsilon = True is not a number"),
        ("tce", {"alpha": -1}, r"alpha = -1 is outside \[0, 1000\]"),
        ("tce", {"alpha": float("inf")}, "alpha = inf is outside"),
        ("tce", {"alpha": "1"}, "alpha = '1' is not a number"),
        ("tce", {"alfa": 1.0}, r"unknown hyperparameter 'alfa'; did you mean 'alpha'\?"),
        ("ce", {"epsilon": 0.1}, "unknown hyperparameter 'epsilon'; family 'ce' has: none"),
        ("tcee", {}, r"unknown family 'tcee'; did you mean 'tce'\? families: bootstrap, ce, elr, focal"),
        ("mcel", {"similarity": "uniformly"}, r"unknown similarity 'uniformly'; did you mean 'uniform'\?"),
        ("mcel", {"similarity": None}, "similarity = None is not a similarity"),
        ("mcel", {"similarity": {"name": "ldaa"}}, r"unknown similarity 'ldaa'; did you mean 'lda'\?"),
        ("mcel", {"similarity": {"tau": 1}}, r"similarity \{'tau': 1\} has no name"),
        ("sg_mcel", {"similarity": "uniform", "p": 0.5}, r"p = 0\.5 is outside \[1, inf\)"),
        ("sg_mcel", {"similarity": "uniform", "alpha": -1.0}, "alpha = -1 is outside"),
        ("sg_mcel", {"similarity": "uniform", "loss_lr": 0.0}, r"loss_lr = 0 is outside \(0, inf\)"),
        ("sg_mcel", {"similarity": "uniform", "parameterisation": "fre"}, "did you mean 'free'"),
        (
            "sg_mcel",
            {"similarity": "uniform", "parameterisation": "bounded", "epsilon": 0.0},
            "epsilon = 0 cannot be reached by a sigmoid",
        ),
        (
            "gmcel",
            {"similarity": "uniform", "parameterisation": "simplex", "epsilon": 0.0},
            "epsilon = 0 cannot be reached by a softmax",
        ),
        ("gmcel", {"similarity": "uniform", "margins": 1.0}, r"margins = 1 is outside \[0, 1\)"),
        ("gmcel", {"similarity": "uniform", "margins": "papers"}, r"did you mean 'paper'\?"),
        ("gmcel", {"similarity": "uniform", "p": 0.9}, r"p = 0\.9 is outside"),
        ("infogain", {"matrix": "balance"}, r"unknown matrix 'balance'; did you mean 'balanced'\?"),
        ("infogain", {}, "matrix 'balanced' is made elsewhere: pass its matrix"),
        ("infogain", {"matrix": -np.eye(C)}, r"matrix\[0, 0\] = -1 is negative"),
        ("infogain", {"matrix": "identity", "axis": "diagonal"}, "unknown axis 'diagonal'"),
        ("simloss", {"r": 1.0}, r"r = 1 is outside \[0, 1\)"),
        ("simloss", {"l": 1.0}, r"l = 1 is outside"),
        ("simloss", {"similarity": 2 * np.eye(C)}, r"outside \[-1, 1\]"),
        ("simloss", {"similarity": np.zeros((C, C))}, "a diagonal that is not 1.* contract='likeness'"),
        ("simloss", {"similarity": "uniform"}, "unknown similarity 'uniform'"),
        ("simloss", {"similarity": "words"}, "similarity 'words' needs path"),
        ("msl", {"xi": 0.0}, r"xi = 0 is outside \(0, inf\)"),
        ("msl", {"patience": 0}, "patience = 0 is not one of 1, 2, ..."),
        ("msl", {"patience": 10.0}, "patience = 10.0 is not a whole number"),
        ("msl", {"distance": "l2"}, r"unknown distance 'l2'"),
        ("msl", {"modules": "conv1+last"}, "'last' and 'all' stand alone"),
        ("msl", {"modules": "conv1+conv1"}, "names a block twice"),
        ("msl", {"modules": "conv1+"}, "is neither 'last' nor 'all'"),
        ("msl", {"modules": ["conv1"]}, "is neither 'last' nor 'all'"),
        ("simloss", {"similarity": {"name": "order", "r": 0.5}}, "'order' takes no options here"),
        ("gce", {"q": 1.5}, r"q = 1\.5 is outside \[0, 1\]"),
        ("sce", {"log_zero": 1.0}, r"log_zero = 1 is outside \(-inf, 0\]"),
        ("focal", {"gamma": -1}, "gamma = -1 is outside"),
        ("bootstrap", {"mode": "sotf"}, r"did you mean 'soft'\?"),
        ("forward", {"transition": "true"}, "transition 'true' is made elsewhere: pass its matrix"),
        ("forward", {"transition": uniform_rows(C) * 2}, "transition row 0 sums to 2; rows must sum to 1"),
        ("forward", {"transition": np.eye(C)[[0] * C]}, "transition column 1 is 0: no class would ever be labelled 1"),
        ("elr", {"beta": 1.0}, r"beta = 1 is outside \[0, 1\)"),
        ("taylor_ce", {"order": 0}, "order = 0 is not one of 1, 2, ..., 100"),
        ("taylor_ce", {"order": 2.5}, "order = 2.5 is not a whole number"),
        ("js", {"pi": 0.0}, r"pi = 0 is outside \(0, 1\)"),
        ("js", {"pi": 1.0}, r"pi = 1 is outside \(0, 1\)"),
    ],
)
def test_value_outside_its_range_is_refused_by_name(family: str, setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss(family, num_classes=C, num_samples=10, **setting)


def spoiled(row: int, column: int, value: float) -> np.ndarray:
    matrix = uniform_rows(C)
    matrix[row, column] = value
    return matrix


@pytest.mark.parametrize("family", ["mcel", "sg_mcel", "gmcel"])
@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        (uniform_rows(C + 1), r"shape \(6, 6\); 5 classes"),
        (uniform_rows(C)[:, :4], r"shape \(5, 4\)"),
        (spoiled(0, 1, -0.25), r"similarity\[0, 1\] = -0.25 is negative"),
        (spoiled(0, 1, np.nan), "non-finite"),
        (spoiled(3, 1, 0.35), r"row 3 sums to 1\.1"),
        (np.eye(C), "diagonal"),
        ([["a"] * C] * C, "not a matrix of numbers"),
        ([[0.5], [0.5, 0.5]], "not a matrix of numbers"),
    ],
    ids=["wrong size", "not square", "negative", "nan", "row sum", "diagonal", "words", "ragged"],
)
def test_matrix_that_is_no_similarity_is_refused(family: str, similarity: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_loss(family, num_classes=C, similarity=similarity)


def test_similarity_that_needs_data_is_refused_without_it() -> None:
    with pytest.raises(ValueError, match="similarity 'lda' is made elsewhere: pass its matrix"):
        make_loss("mcel", num_classes=C)
    with pytest.raises(ValueError, match="similarity 'words' is made elsewhere: pass its matrix"):
        make_loss("mcel", num_classes=C, similarity={"name": "words", "path": "vectors.bin"})


@pytest.mark.parametrize("counts", [[1, 0, 2], [], [[1, 2]], [3, -1]])
def test_counts_that_leave_a_class_out_have_no_balanced_matrix(counts: Any) -> None:
    with pytest.raises(ValueError, match="needs samples of every class"):
        balanced_matrix(counts)


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown reduction 'sum'; reductions: mean, none"):
        make("ce")(torch.zeros(2, C), torch.zeros(2, dtype=torch.long), reduction="sum")


@pytest.mark.parametrize("family", list(FAMILIES))
def test_no_classes_are_refused(family: str) -> None:
    with pytest.raises(ValueError, match="num_classes = 0 is not a whole number of at least 1"):
        CrossEntropy(0)


def test_a_matrix_may_be_a_list_an_array_or_a_tensor_and_is_copied() -> None:
    rows = torch.tensor(uniform_rows(C))
    losses = [make("mcel", similarity=kind) for kind in (rows, rows.numpy(), rows.tolist(), rows.float())]
    rows.zero_()
    for loss in losses:
        np.testing.assert_allclose(dict(loss.named_buffers())["similarity"], uniform_rows(C), atol=1e-7)


# -- the catalogue -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", list(FAMILIES))
def test_defaults_and_neutral_settings_lie_in_their_own_ranges(family: str) -> None:
    described = get_family(family)
    neutral = dict(described.neutral or {})
    completed = described.complete(neutral)
    assert completed == {name: hp.default for name, hp in described.hyperparameters.items()} | neutral
    assert described.complete(completed) == completed


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_family_says_what_it_is_and_why_it_has_no_neutral_setting(family: str) -> None:
    described = get_family(family)
    assert described.title
    assert described.formula
    assert described.paper
    assert (described.neutral is None) == bool(described.limit)
    assert all(hp.meaning and hp.range for hp in described.hyperparameters.values())


@pytest.mark.parametrize("family", list(FAMILIES))
def test_docstring_of_the_class_has_formula_and_source(family: str) -> None:
    matrices = {
        "similarity": random_likeness(C) if family == "simloss" else uniform_rows(C),
        "matrix": "identity",
        "transition": noisy_transition(C),
    }
    given = {name: value for name, value in matrices.items() if name in FAMILIES[family].hyperparameters}
    loss = make(family, **given)
    assert type(loss).__name__ == FAMILIES[family].class_name
    assert isinstance(loss, Loss)
    page = type(loss).__doc__ or ""
    assert page.startswith("`") or "`-log q_y" in page or "MCEL with a learned share" in page
    assert family == "ce" or "20" in page or "eq" in page


def test_the_catalogue_is_read_without_torch() -> None:
    code = "import sys, trainables.losses.families; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
