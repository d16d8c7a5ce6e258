"""Order, hierarchy, ready files, confusion and uniform: matrices that can be written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainables.similarity.cifar100 import SUPERCLASSES
from trainables.similarity.confusion import confusion_counts, confusion_target
from trainables.similarity.fit import fit
from trainables.similarity.hierarchy import cifar100_superclasses, hierarchy_likeness, read_superclasses
from trainables.similarity.report import perplexity

ANIMALS = {"cat": "mammal", "dog": "mammal", "cow": "mammal", "trout": "fish", "ray": "fish"}


# -- order ----------------------------------------------------------------------------------------------------------


def test_order_falls_by_r_with_each_step() -> None:
    likeness = fit({"name": "order", "r": 0.5}, num_classes=4, contract="likeness")
    np.testing.assert_array_equal(likeness[0], [1, 0.5, 0.25, 0.125])
    np.testing.assert_array_equal(likeness, likeness.T)
    target = fit({"name": "order", "r": 0.5}, num_classes=4)
    np.testing.assert_allclose(target[1], np.array([0.5, 0, 0.5, 0.25]) / 1.25, atol=1e-15)


def test_order_without_likeness_is_the_identity_and_no_target() -> None:
    spec = {"name": "order", "r": 0.0}
    np.testing.assert_array_equal(fit(spec, num_classes=4, contract="likeness"), np.eye(4))
    with pytest.raises(ValueError, match="class 0 is like no other"):
        fit(spec, num_classes=4)


def test_symmetric_order_has_columns_that_sum_to_one() -> None:
    target = fit({"name": "order", "r": 0.5, "symmetric": True}, num_classes=8)
    np.testing.assert_allclose(target.sum(axis=0), 1, atol=1e-11)
    np.testing.assert_allclose(target, target.T, atol=1e-11)


# -- hierarchy --------------------------------------------------------------------------------------------------------


def test_cifar100_has_twenty_superclasses_of_five() -> None:
    assert [len(members) for members in SUPERCLASSES.values()] == [5] * 20
    assert len(cifar100_superclasses()) == 100


def test_hierarchy_of_cifar100_is_shipped() -> None:
    names = sorted(cifar100_superclasses())
    target = fit("hierarchy", num_classes=100, class_names=names)
    measured = perplexity(target)
    assert (measured.min, measured.max) == (pytest.approx(4), pytest.approx(4))
    apple = {names[j] for j in np.flatnonzero(target[names.index("apple")])}
    assert apple == {"mushroom", "orange", "pear", "sweet_pepper"}


def test_hierarchy_likeness_is_within_or_between() -> None:
    likeness = hierarchy_likeness(["cat", "trout", "dog"], ANIMALS, 0.6, 0.2)
    np.testing.assert_array_equal(likeness, [[1, 0.2, 0.6], [0.2, 1, 0.2], [0.6, 0.2, 1]])


def test_names_are_matched_however_they_are_joined() -> None:
    superclasses = {"Pickup Truck": "vehicle", "lawn-mower": "vehicle"}
    assert hierarchy_likeness(["pickup_truck", "lawn_mower"], superclasses, 0.5, 0)[0, 1] == 0.5


def test_hierarchy_that_does_not_distinguish_is_uniform() -> None:
    spec = {"name": "hierarchy", "within": 0.3, "between": 0.3}
    target = fit(spec, num_classes=3, class_names=["apple", "bed", "bee"])
    np.testing.assert_allclose(target, (1 - np.eye(3)) / 2, atol=1e-15)


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".yaml", "mammal: [cat, dog, cow]\nfish: [trout, ray]\n"),
        (".yml", "cat: mammal\ndog: mammal\ncow: mammal\ntrout: fish\nray: fish\n"),
        (".csv", "cat,mammal\ndog, mammal\ncow,mammal\n\ntrout,fish\nray,fish\n"),
        (".csv", "\ufeffclass,superclass\ncat,mammal\ndog,mammal\ncow,mammal\ntrout,fish\nray,fish\n"),
    ],
)
def test_hierarchy_is_read_from_yaml_and_csv(ending: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / f"tree{ending}"
    path.write_text(content, encoding="utf-8")
    assert read_superclasses(path) == ANIMALS
    target = fit({"name": "hierarchy", "path": str(path)}, num_classes=2, class_names=["ray", "trout"])
    np.testing.assert_array_equal(target, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", "cat mammal", "neither .yaml nor .csv"),
        ("t.yaml", "- cat\n- dog\n", "is not a mapping: write 'superclass: "),
        ("t.yaml", "a: [b\n", "is not YAML"),
        ("t.yaml", "mammal: {cat: 1}\n", "'mammal' has neither a superclass nor a list"),
        ("t.yaml", "mammal: [cat]\nfish: [cat]\n", "class 'cat' is in 'mammal' and in 'fish'"),
        ("t.csv", "cat,mammal\ndog\n", "row 2 is not a class and its superclass: dog"),
    ],
)
def test_file_that_is_no_hierarchy_is_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_superclasses(tmp_path / name)


def test_hierarchy_refuses_unknown_classes_and_upside_down_likeness() -> None:
    with pytest.raises(ValueError, match="no superclass is known of car, cats"):
        hierarchy_likeness(["car", "cats", "dog"], ANIMALS, 0.5, 0)
    with pytest.raises(ValueError, match=r"\('cats' may be called 'cat' there\); name a file"):
        hierarchy_likeness(["cats", "dog"], ANIMALS, 0.5, 0)
    with pytest.raises(ValueError, match=r"between = 0\.5 is above within = 0\.2"):
        hierarchy_likeness(["cat", "dog"], ANIMALS, 0.2, 0.5)
    with pytest.raises(ValueError, match=r"class 0 \(bee\) is like no other"):
        fit("hierarchy", num_classes=2, class_names=["bee", "trout"])


# -- files ------------------------------------------------------------------------------------------------------------

TARGET = np.array([[0, 0.25, 0.75], [0.5, 0, 0.5], [1, 0, 0]])
LIKENESS = np.array([[1, 0.5, -0.5], [0.5, 1, 0.25], [-0.5, 0.25, 1]])


def written(matrix: np.ndarray, path: Path) -> dict[str, str]:
    if path.suffix == ".npy":
        np.save(path, matrix)
    else:
        np.savetxt(path, matrix, delimiter=",", header="rows: class")
    return {"name": "file", "path": str(path)}


@pytest.mark.parametrize("name", ["m.csv", "m.npy"])
def test_ready_matrix_is_told_by_its_diagonal(name: str, tmp_path: Path) -> None:
    spec = written(TARGET, tmp_path / name)
    np.testing.assert_array_equal(fit(spec, num_classes=3), TARGET)
    np.testing.assert_array_equal(fit(spec, num_classes=3, contract="likeness"), TARGET + np.eye(3))
    spec = written(LIKENESS, tmp_path / name)
    np.testing.assert_array_equal(fit(spec, num_classes=3, contract="likeness"), LIKENESS)
    np.testing.assert_allclose(fit(spec, num_classes=3)[1], [2 / 3, 0, 1 / 3], atol=1e-15)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (TARGET[:2], r"m\.npy: similarity has shape \(2, 3\); 3 classes need"),
        (np.zeros(3), r"similarity has shape \(3,\)"),
        (np.zeros((0, 0)), r"similarity has shape \(0, 0\)"),
        (TARGET / 2, r"row 0 \(a\) sums to 0\.5; rows must sum to 1"),
        (LIKENESS * 2, r"the first entry is 2; the diagonal is 0 in a target similarity and 1 in a likeness"),
        (TARGET + np.diag([0, 0, 0.5]), r"similarity\[2 \(c\), 2 \(c\)\] = 0\.5; the diagonal is 0"),
    ],
)
def test_ready_matrix_that_is_neither_is_refused(matrix: np.ndarray, message: str, tmp_path: Path) -> None:
    spec = written(matrix, tmp_path / "m.npy")
    with pytest.raises(ValueError, match=message):
        fit(spec, num_classes=3, class_names=["a", "b", "c"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.txt", b"0 1", "is neither .csv nor .npy"),
        ("m.csv", b"a,b\n1,2\n", "holds no matrix of numbers"),
        ("m.csv", b"1,2\n3\n", "holds no matrix of numbers"),
        ("m.npy", b"0,1\n1,0\n", "holds no matrix of numbers"),
        ("m.npy", b"", "holds no matrix of numbers"),
    ],
)
def test_file_without_a_matrix_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        fit({"name": "file", "path": str(tmp_path / name)}, num_classes=2)


# -- confusion --------------------------------------------------------------------------------------------------------


def test_confusion_is_the_distribution_of_each_classs_mistakes() -> None:
    counts = np.array([[90, 3, 1], [0, 50, 0], [4, 4, 2]])
    bare = fit({"name": "confusion", "smoothing": 0.5}, num_classes=3, confusion=counts)
    np.testing.assert_allclose(bare, [[0, 0.7, 0.3], [0.5, 0, 0.5], [0.5, 0.5, 0]], atol=1e-15)


def test_much_smoothing_is_uniform() -> None:
    target = confusion_target(np.array([[0, 9, 1], [3, 0, 0], [0, 5, 0]]), 3, smoothing=1e12)
    np.testing.assert_allclose(target, (1 - np.eye(3)) / 2, atol=1e-11)


def test_class_without_mistakes_needs_smoothing() -> None:
    with pytest.raises(ValueError, match=r"class 1 \(b\) is like no other: .* set smoothing above 0"):
        confusion_target(np.array([[9, 1], [0, 9]]), 2, smoothing=0, class_names=["a", "b"])


def test_counts_come_from_a_networks_outputs_and_from_a_file(tmp_path: Path) -> None:
    outputs = np.array([[2.0, 1, 0], [0, 1, 0.5], [0, 0, 1], [0, 3, 1], [5, 0, 0]])
    counts = confusion_counts(outputs, np.array([0, 0, 0, 1, 2]), 3)
    np.testing.assert_array_equal(counts, [[1, 1, 1], [0, 1, 0], [1, 0, 0]])
    spec = written(counts, tmp_path / "counts.csv") | {"name": "confusion"}
    np.testing.assert_array_equal(fit(spec, num_classes=3), confusion_target(counts, 3, 1.0))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.zeros((2, 3)), r"confusion has shape \(2, 3\)"),
        (np.array([[0, -1.0], [1, 0]]), "negative or non-finite"),
        (np.array([[0, np.nan], [1, 0]]), "negative or non-finite"),
    ],
)
def test_what_is_no_confusion_is_refused(counts: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_target(counts, 2, 1.0)


def test_outputs_and_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"outputs have shape \(2, 3\); 3 labels need \(3, 3\)"):
        confusion_counts(np.zeros((2, 3)), np.zeros(3, int), 3)
    with pytest.raises(ValueError, match=r"labels lie in \[0, 3\]; they must lie in \[0, 2\]"):
        confusion_counts(np.zeros((2, 3)), np.array([0, 3]), 3)


# -- all --------------------------------------------------------------------------------------------------------------


def test_uniform_knows_nothing() -> None:
    np.testing.assert_array_equal(fit("uniform", num_classes=5), (1 - np.eye(5)) / 4)
    np.testing.assert_array_equal(fit("uniform", num_classes=2), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("lda", "similarity 'lda' is fitted to data: pass images and labels"),
        ("hierarchy", "similarity 'hierarchy' is made of class names: pass class_names"),
        ("confusion", "similarity 'confusion' is made of a network's mistakes: name a file of counts"),
    ],
)
def test_what_a_kind_needs_is_asked_for(value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(value, num_classes=3)


def test_names_for_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 2 class names for 3 classes"):
        fit("uniform", num_classes=3, class_names=["a", "b"])
    with pytest.raises(ValueError, match="at least 2 classes"):
        fit("uniform", num_classes=1)
