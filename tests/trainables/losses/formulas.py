"""Every family's loss of one sample in plain numpy, written from its paper, and settings to check it under."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from trainables.losses import make_loss
from trainables.losses.base import Loss
from trainables.losses.conformance import Subject

C = 5
SAMPLES = 64


# -- matrices, of as many classes as they are asked for ------------------------------------------------------------


def random_rows(num_classes: int) -> np.ndarray:
    """Rows that sum to 1, zero diagonal."""
    if num_classes == 1:
        return np.zeros((1, 1))
    matrix = np.random.default_rng(num_classes).uniform(0.1, 1, (num_classes, num_classes))
    np.fill_diagonal(matrix, 0)
    return matrix / matrix.sum(axis=1, keepdims=True)


def uniform_rows(num_classes: int) -> np.ndarray:
    return (1 - np.eye(num_classes)) / (num_classes - 1)


def random_weights(num_classes: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 2, (num_classes, num_classes))


def random_likeness(num_classes: int) -> np.ndarray:
    """Entries in [-1, 1], not symmetric, unit diagonal."""
    matrix = np.random.default_rng(2).uniform(-1, 1, (num_classes, num_classes))
    np.fill_diagonal(matrix, 1)
    return matrix


def noisy_transition(num_classes: int) -> np.ndarray:
    return 0.7 * np.eye(num_classes) + 0.3 * (random_rows(num_classes) if num_classes > 1 else 1)


def cyclic_transition(num_classes: int) -> np.ndarray:
    """No class keeps its label."""
    return np.roll(np.eye(num_classes), 1, axis=1)


# -- the formulas --------------------------------------------------------------------------------------------------


def ce(log_q: np.ndarray, y: int) -> float:
    return -log_q[y]


def label_smoothing(log_q: np.ndarray, y: int, epsilon: float) -> float:
    target = np.full(len(log_q), epsilon / len(log_q))
    target[y] += 1 - epsilon
    return -(target * log_q).sum()


def infogain(log_q: np.ndarray, y: int, matrix: Any, axis: str = "column") -> float:
    if isinstance(matrix, str):
        matrix = np.eye(len(log_q))
    return -sum((matrix[i, y] if axis == "column" else matrix[y, i]) * log_q[i] for i in range(len(log_q)))


def mcel(log_q: np.ndarray, y: int, epsilon: float, similarity: Any) -> float:
    matrix = uniform_rows(len(log_q)) if isinstance(similarity, str) else similarity
    return -sum(((1 - epsilon) * (i == y) + epsilon * matrix[y, i]) * log_q[i] for i in range(len(log_q)))


def learned_mcel(log_q: np.ndarray, y: int, epsilon: float = 0.1, similarity: Any = None, **penalties: Any) -> float:
    """SG-MCEL and GMCEL before they have learned anything."""
    return mcel(log_q, y, epsilon, similarity)


def tce(log_q: np.ndarray, y: int, alpha: float) -> float:
    if alpha == 1:
        return np.log(1 - log_q[y])
    return ((1 - log_q[y]) ** (1 - alpha) - 1) / (1 - alpha)


def mse(log_q: np.ndarray, y: int) -> float:
    return sum((np.exp(log_q[i]) - (i == y)) ** 2 for i in range(len(log_q)))


def mae(log_q: np.ndarray, y: int) -> float:
    return sum(abs(np.exp(log_q[i]) - (i == y)) for i in range(len(log_q)))


def simloss(
    log_q: np.ndarray, y: int, similarity: Any = "order", r: float = 0.5, l: float = 0.0, eps: float = 1e-8  # noqa: E741  (SimLoss's own name)
) -> float:  # fmt: skip
    def likeness(i: int) -> float:
        if isinstance(similarity, str):
            return r ** abs(i - y)
        return max(0.0, (similarity[y, i] - l) / (1 - l))

    return -math.log(sum(likeness(i) * math.exp(log_q[i]) for i in range(len(log_q))) + eps)


def msl(log_q: np.ndarray, y: int, **settings: Any) -> float:
    """The between-class part; the other is not a sample's."""
    return -log_q[y]


def gce(log_q: np.ndarray, y: int, q: float) -> float:
    return -log_q[y] if q == 0 else (1 - np.exp(log_q[y]) ** q) / q


def reverse_ce(log_q: np.ndarray, y: int, log_zero: float) -> float:
    return -sum(np.exp(log_q[i]) * (0 if i == y else log_zero) for i in range(len(log_q)))


def sce(log_q: np.ndarray, y: int, alpha: float = 0.1, beta: float = 1.0, log_zero: float = -4.0) -> float:
    return alpha * -log_q[y] + beta * reverse_ce(log_q, y, log_zero)


def focal(log_q: np.ndarray, y: int, gamma: float) -> float:
    return -((1 - np.exp(log_q[y])) ** gamma) * log_q[y]


def nce(log_q: np.ndarray, y: int) -> float:
    return -log_q[y] / sum(-log_q[j] for j in range(len(log_q)))


def nce_rce(log_q: np.ndarray, y: int, alpha: float = 1.0, beta: float = 1.0, log_zero: float = -4.0) -> float:
    return alpha * nce(log_q, y) + beta * reverse_ce(log_q, y, log_zero)


def nce_mae(log_q: np.ndarray, y: int, alpha: float = 1.0, beta: float = 1.0) -> float:
    return alpha * nce(log_q, y) + beta * mae(log_q, y)


def bootstrap(log_q: np.ndarray, y: int, beta: float = 0.95, mode: str = "soft") -> float:
    classes = range(len(log_q))
    own = [math.exp(log_q[k]) if mode == "soft" else float(k == np.argmax(log_q)) for k in classes]
    return -sum((beta * (k == y) + (1 - beta) * own[k]) * log_q[k] for k in classes)


def forward(log_q: np.ndarray, y: int, transition: Any, **settings: Any) -> float:
    matrix = np.eye(len(log_q)) if isinstance(transition, str) else transition
    return -math.log((matrix.T @ np.exp(log_q))[y])


def elr(log_q: np.ndarray, y: int, lambda_: float = 3.0, beta: float = 0.7) -> float:
    """The first time that a sample is seen in training."""
    q = np.clip(np.exp(log_q), 1e-4, 1 - 1e-4)
    remembered = (1 - beta) * q / q.sum()
    return -log_q[y] + lambda_ * math.log(1 - (remembered * q).sum())


def taylor_ce(log_q: np.ndarray, y: int, order: int) -> float:
    return sum((1 - np.exp(log_q[y])) ** k / k for k in range(1, order + 1))


def js(log_q: np.ndarray, y: int, pi: float) -> float:
    q, label = np.exp(log_q), np.eye(len(log_q))[y]
    middle = pi * label + (1 - pi) * q
    divergence = pi * -np.log(middle[y]) + (1 - pi) * (q * (log_q - np.log(middle))).sum()
    return divergence / (-(1 - pi) * np.log(1 - pi))


FORMULAS: dict[str, Callable[..., float]] = {
    "ce": ce, "label_smoothing": label_smoothing, "infogain": infogain, "mcel": mcel, "sg_mcel": learned_mcel,
    "gmcel": learned_mcel, "tce": tce, "mse": mse, "mae": mae, "simloss": simloss, "msl": msl, "gce": gce, "sce": sce,
    "focal": focal, "nce_rce": nce_rce, "nce_mae": nce_mae, "bootstrap": bootstrap, "forward": forward, "elr": elr,
    "taylor_ce": taylor_ce, "js": js,
}  # fmt: skip

# A function stands for the matrix that it makes for the number of classes.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "ce": [{}],
    "label_smoothing": [{"epsilon": e} for e in (0.1, 0.0, 0.9)],
    "infogain": [
        {"matrix": random_weights},
        {"matrix": random_weights, "axis": "row"},
        {"matrix": "identity"},
    ],
    "mcel": [
        {"epsilon": 0.1, "similarity": random_rows},
        {"epsilon": 0.0, "similarity": "uniform"},
        {"epsilon": 0.49, "similarity": "uniform"},
        {"epsilon": 0.35, "similarity": random_rows},
    ],
    "sg_mcel": [
        {"similarity": random_rows},
        {"similarity": random_rows, "epsilon": 0.3, "alpha": 2.0, "beta": 0.5, "gamma": 0.1},
        {"similarity": random_rows, "p": 1.0, "epsilon": 0.3},
        {"similarity": "uniform", "p": 1.5, "parameterisation": "bounded"},
        {"similarity": random_rows, "p": 1.5, "epsilon": 0.2, "parameterisation": "bounded"},
    ],
    "gmcel": [
        {"similarity": random_rows},
        {"similarity": random_rows, "epsilon": 0.3, "alpha": 2.0, "beta": 0.5, "gamma": 0.1, "eta": 0.2},
        {"similarity": random_rows, "p": 1.5, "margins": "paper"},
        {"similarity": random_rows, "parameterisation": "simplex", "margins": 0.2, "epsilon": 0.2},
        {"similarity": "uniform", "parameterisation": "simplex", "beta": 1.0},
    ],
    "tce": [{"alpha": a} for a in (1.0, 0.0, 0.5, 1.5, 2.0)],
    "mse": [{}],
    "mae": [{}],
    "simloss": [
        {"r": 0.5},
        {"r": 0.9},
        {"r": 0.0, "eps": 0.0},
        {"r": 0.3, "eps": 0.0},
        {"similarity": random_likeness, "l": 0.3},
        {"similarity": random_likeness, "l": 0.0, "eps": 0.0},
    ],
    "msl": [{}, {"xi": 2.0, "patience": 2, "tolerance": 10.0}, {"distance": "l1"}, {"distance": "l1", "xi": 3.0}],
    "gce": [{"q": q} for q in (0.7, 0.0, 0.3, 1.0)],
    "sce": [{}, {"alpha": 1.0, "beta": 0.0}, {"alpha": 6.0, "beta": 0.1, "log_zero": -9.0}],
    "focal": [{"gamma": g} for g in (2.0, 0.0, 0.5, 1.0)],
    "nce_rce": [{}, {"alpha": 10.0, "beta": 0.1, "log_zero": -6.0}],
    "nce_mae": [{}, {"alpha": 10.0, "beta": 0.5}],
    "bootstrap": [{}, {"mode": "hard", "beta": 0.8}, {"beta": 0.5}, {"beta": 1.0}, {"mode": "hard", "beta": 0.0}],
    "forward": [
        {"transition": noisy_transition},
        {"transition": "identity"},
        {"transition": cyclic_transition},
        {"transition": "estimated", "warmup": 2},
    ],
    "elr": [{}, {"lambda_": 7.0, "beta": 0.9}, {"lambda_": 0.0}],
    "taylor_ce": [{"order": k} for k in (2, 1, 6)],
    "js": [{"pi": p} for p in (0.5, 0.1, 0.9)],
}


def resolved(setting: dict[str, Any], num_classes: int = C) -> dict[str, Any]:
    """The setting with its matrices made."""
    return {name: value(num_classes) if callable(value) else value for name, value in setting.items()}


def subject(family: str, setting: dict[str, Any], num_modules: int = 1) -> Subject:
    """The family in that setting, for the conformance kit."""

    def make(num_classes: int) -> Loss:
        return make_loss(
            family, num_classes=num_classes, num_samples=SAMPLES, num_modules=num_modules, dtype=torch.float64,
            **resolved(setting, num_classes),
        )  # fmt: skip

    return Subject(make, num_classes=C, num_samples=SAMPLES, num_modules=num_modules)


def make(family: str, num_classes: int = C, **setting: Any) -> Loss:
    """A loss in double precision, with uniform similarity where nothing is said."""
    if family in ("mcel", "sg_mcel", "gmcel"):
        setting = {"similarity": "uniform", **setting}
    return make_loss(family, num_classes=num_classes, num_samples=SAMPLES, dtype=torch.float64, **setting)
