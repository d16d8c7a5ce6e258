"""What single kinds promise."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from trainables.data.noise import NOISES, Part, settle, transition_matrix
from trainables.data.noise.asymmetric import CIFAR10, CIFAR100
from trainables.data.noise.instance import CHUNK
from trainables.data.noise.pair import facts, random_pairs
from trainables.similarity.cifar100 import SUPERCLASSES

from .parts import corrupted, make_part

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


# -- pair -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_pairs_are_all_classes_each_once(num_classes: int) -> None:
    pairs = random_pairs(num_classes, seed=3)
    assert sorted(number for pair in pairs for number in pair) == list(range(num_classes))


def test_pairs_are_drawn_by_the_seed() -> None:
    assert len({tuple(random_pairs(10, seed)) for seed in range(20)}) > 15


def test_a_pairs_classes_become_one_another_in_training_and_in_validation_at_every_rate() -> None:
    for name in ("train", "val"):
        for rate in (0.2, 0.6):
            part = make_part(1000, 10, name=name)
            noisy = corrupted("pair", rate, part, seed=3)
            expected = (1 - rate) * np.eye(10)
            for a, b in random_pairs(10, 3):
                expected[a, b] = expected[b, a] = rate
            np.testing.assert_allclose(transition_matrix(part.labels, noisy, 10), expected, atol=1e-12)


def test_an_odd_class_is_left_out_and_named() -> None:
    part = make_part(700, 7)
    noisy = corrupted("pair", 1.0, part, seed=1)
    said = facts({"seed": 1}, part.class_names)
    assert len(said["pairs"]) == 3
    kept = part.class_names.index(said["left_out"])
    assert (noisy[part.labels == kept] == kept).all()
    assert (noisy != part.labels).sum() == 600
    assert "left_out" not in facts({"seed": 1}, ("a", "b"))


# -- asymmetric -----------------------------------------------------------------------------------------------------


def test_cifar_10s_usual_mapping_is_patrinis() -> None:
    spec = settle({"kind": "asymmetric", "rate": 0.4}, "cifar10", CIFAR10_NAMES)
    assert spec["mapping"] == CIFAR10
    images = np.zeros((5000, 1, 1, 1), np.uint8)
    labels = np.arange(5000) % 10
    part = Part("train", images, labels, np.arange(5000), CIFAR10_NAMES)
    noisy = NOISES["asymmetric"].corrupt(part, spec | {"seed": 0})
    transition = transition_matrix(labels, noisy, 10)
    for source, target in [(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)]:
        assert (transition[source, target], transition[source, source]) == pytest.approx((0.4, 0.6))
    assert (np.diag(transition)[[0, 1, 6, 7, 8]] == 1).all()
    assert (noisy != labels).mean() == pytest.approx(0.2)


def test_cifar_100s_usual_mapping_goes_round_each_superclass() -> None:
    names = tuple(sorted(name for group in SUPERCLASSES.values() for name in group))
    mapping = settle({"kind": "asymmetric", "rate": 0.4}, "cifar100", names)["mapping"]
    assert mapping == CIFAR100
    assert len(mapping) == len(set(mapping.values())) == 100
    for group in SUPERCLASSES.values():
        assert {mapping[name] for name in group} == set(group)
    assert (mapping["beaver"], mapping["whale"]) == ("dolphin", "beaver")


def test_mnists_usual_mapping_is_by_number() -> None:
    names = tuple("0123456789")
    mapping = settle({"kind": "asymmetric", "rate": 0.4}, "mnist", names)["mapping"]
    assert mapping == {"7": "1", "2": "7", "5": "6", "6": "5", "3": "8"}


def test_a_mapping_by_number_or_by_name_in_any_order_is_one() -> None:
    by_name = {"truck": "automobile", "cat": "dog"}
    specs = [
        settle({"kind": "asymmetric", "rate": 0.4, "mapping": mapping}, "any", CIFAR10_NAMES)
        for mapping in (by_name, {"3": 5, "9": 1}, {"cat": "5", "truck": 1})
    ]
    assert specs[0] == specs[1] == specs[2]
    assert list(specs[0]["mapping"]) == ["cat", "truck"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"catt": "dog"}, r"unknown class 'catt'; did you mean 'cat'\?"),
        ({"cat": "dgo"}, r"unknown class 'dgo'; did you mean 'dog'\?"),
        ({"10": "cat"}, "unknown class '10'"),
        ({"cat": "cat"}, "class 'cat' becomes itself in mapping"),
        ({"cat": "dog", "3": "deer"}, "class 'cat' is named twice in mapping"),
        ({}, r"mapping = \{\} is not a mapping of classes"),
        ({"cat": 1.5}, "1.5 in mapping is neither the name nor the number of a class"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(mapping: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settle({"kind": "asymmetric", "rate": 0.4, "mapping": mapping}, "cifar10", CIFAR10_NAMES)


def test_a_data_set_without_a_usual_mapping_needs_one() -> None:
    with pytest.raises(ValueError, match="usual mapping for cifar10, cifar100, mnist, none for digits; give one"):
        settle({"kind": "asymmetric", "rate": 0.4}, "digits", tuple("0123456789"))


# -- instance -------------------------------------------------------------------------------------------------------


def test_instance_noise_is_told_by_the_image() -> None:
    """Equal images of a class become nearly always the same class, unequal ones several."""
    images = np.random.default_rng(1).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    which = np.arange(4000) % 4
    part = Part("train", images[which], np.zeros(4000, int), np.arange(4000), tuple("abcdefghij"))
    noisy = corrupted("instance", 0.5, part, seed=2)
    wrong = [noisy[(which == number) & (noisy != 0)] for number in range(4)]
    assert all(np.bincount(each).max() > 0.95 * len(each) for each in wrong)
    assert len({int(np.bincount(each).argmax()) for each in wrong}) > 1


def test_instance_noise_of_an_image_does_not_depend_on_how_many_are_projected_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = make_part(400, 5)
    whole = corrupted("instance", 0.7, part)
    monkeypatch.setattr("trainables.data.noise.instance.CHUNK", 9 * 7)
    np.testing.assert_array_equal(corrupted("instance", 0.7, part), whole)
    assert CHUNK > 9 * 400


def test_instance_noise_takes_little_memory_beside_its_images() -> None:
    images = np.zeros((4000, 3, 32, 32), dtype=np.uint8)
    part = Part("train", images, np.arange(4000) % 10, np.arange(4000), tuple("abcdefghij"))
    tracemalloc.start()
    corrupted("instance", 1.0, part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6  # as doubles the images would take 98 MB


def test_training_and_validation_are_mistaken_for_the_same_classes() -> None:
    train, val = (corrupted("instance", 1.0, make_part(500, 10, name=name)) for name in ("train", "val"))
    assert (train == val).mean() > 0.95


def test_a_classs_images_are_mistaken_for_several_classes_and_no_class_is_spared() -> None:
    part = make_part(5000, 10)
    transition = transition_matrix(part.labels, corrupted("instance", 0.4, part, seed=1), 10)
    assert ((transition > 0).sum(1) > 2).mean() > 0.8  # itself and at least two more
    assert np.diag(transition) == pytest.approx(0.6, abs=0.09)  # four standard deviations of 500 images
