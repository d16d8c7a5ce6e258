"""Word vectors in word2vec's formats, and the words that stand for classes."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainables.similarity import vectors
from trainables.similarity.cifar100 import SIMLOSS_LEFT_OUT, SIMLOSS_SPELLING, SUPERCLASSES
from trainables.similarity.fit import fit
from trainables.similarity.vectors import read_vectors
from trainables.similarity.words import variants, word_likeness

Vectors = dict[str, list[float]]


def text(words: Vectors) -> bytes:
    size = len(next(iter(words.values())))
    return (f"{len(words)} {size}\n" + headless(words).decode()).encode()


def headless(words: Vectors) -> bytes:
    return "".join(f"{word} {' '.join(map(repr, vector))}\n" for word, vector in words.items()).encode()


def binary(words: Vectors, end: bytes = b"") -> bytes:
    size = len(next(iter(words.values())))
    body = b"".join(word.encode() + b" " + struct.pack(f"<{size}f", *v) + end for word, v in words.items())
    return f"{len(words)} {size}\n".encode() + body


def binary_with_newlines(words: Vectors) -> bytes:
    return binary(words, b"\n")


def zipped(words: Vectors) -> bytes:
    return gzip.compress(binary(words))


def zipped_text(words: Vectors) -> bytes:
    return gzip.compress(text(words))


FORMATS = [text, headless, binary, binary_with_newlines, zipped, zipped_text]


def random_words(count: int, size: int = 7) -> Vectors:
    generator = np.random.default_rng(0)
    return {f"wörd_{i}": generator.normal(size=size).astype(np.float32).tolist() for i in range(count)}


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize("chunk", [1 << 22, 200])
def test_every_format_gives_the_vectors_that_were_asked_for(
    write: Callable[[Vectors], bytes], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "CHUNK", chunk)
    words = random_words(40)
    (tmp_path / "v").write_bytes(write(words))
    wanted = {"wörd_0", "wörd_17", "wörd_39", "absent"}
    found = read_vectors(tmp_path / "v", wanted)
    assert found.keys() == wanted - {"absent"}
    for word, vector in found.items():
        np.testing.assert_array_equal(vector, np.array(words[word], np.float32))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no word2vec file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no word2vec file"),
        (binary(random_words(5))[:-3], "ends in word 5 of 5: it is cut short"),
        (gzip.compress(binary(random_words(5)))[:-20], "is damaged"),
        (text(random_words(3)).replace(b"_2 ", b"_2 x"), "the vector of 'wörd_2' is not 7 numbers"),
        (text(random_words(3)) + b"wanted 1 2 3\n", "the vector of 'wanted' is not 7 numbers"),
    ],
)
def test_file_that_is_damaged_or_no_word2vec_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_vectors(tmp_path / "v", {"wörd_2", "wanted"})


def test_likeness_is_the_cosine_of_the_words(tmp_path: Path) -> None:
    words = {"cat": [1.0, 0, 0], "dog": [3.0, 4.0, 0], "ship": [0, -2.0, 0]}
    (tmp_path / "v.txt").write_bytes(text(words))
    likeness = word_likeness(tmp_path / "v.txt", ["dog", "cat", "ship"])
    np.testing.assert_allclose(likeness, [[1, 0.6, -0.8], [0.6, 1, 0], [-0.8, 0, 1]], atol=1e-7)
    spec = {"name": "words", "path": str(tmp_path / "v.txt")}
    fitted = fit(spec, num_classes=3, class_names=["dog", "cat", "ship"], contract="likeness")
    np.testing.assert_array_equal(fitted, likeness)
    with pytest.raises(ValueError, match=r"class 2 \(ship\) is like no other"):  # its cosines are 0 and below
        fit(spec, num_classes=3, class_names=["dog", "cat", "ship"])
    sharp = fit(spec | {"sharpness": "exp", "tau": 0.5}, num_classes=3, class_names=["dog", "cat", "ship"])
    assert sharp[2, 1] / sharp[2, 0] == pytest.approx(np.exp(0.8 / 0.5))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("pickup_truck", "pickup_truck"),
        ("pickup truck", "pickup_truck"),
        ("pickup_truck", "pickup-truck"),
        ("pickup_truck", "Pickup_Truck"),
        ("lawn_mower", "lawnmower"),
        ("sweet_pepper", "sweet_peppers"),
        ("poppy", "poppies"),
        ("poppies", "poppy"),
        ("glasses", "glass"),
        ("apples", "apple"),
        ("fox", "foxes"),
        ("boy", "boys"),
        ("Trout", "trout"),
        ("trout", "Trout"),
        ("maple_tree", "maple"),
        ("keyboard", "computer_keyboard"),
    ],
)
def test_class_is_found_under_a_variant_of_its_name(name: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "v.bin").write_bytes(binary({word: [1.0, 0], "other": [0, 1.0]}))
    assert word_likeness(tmp_path / "v.bin", [name, "other"])[0, 1] == 0


def test_own_spelling_comes_first_and_the_authors_first_where_asked_for() -> None:
    assert variants("apple")[0] == "apple"
    assert variants("apple", "simloss")[0] == "apples"
    assert variants("maple_tree", "simloss")[0] == "maple"
    assert variants("bee", "simloss")[0] == "bee"
    assert variants("maple_tree", {"maple_tree": "Acer"}) == ["Acer"]
    assert variants("bee", {"maple_tree": "Acer"})[0] == "bee"


def test_classes_without_a_vector_are_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(text({"bee": [1.0, 0]}))
    with pytest.raises(ValueError, match=r"no vector for ant, wasp; say which .*: spelling: \{ant: WORD\}"):
        word_likeness(tmp_path / "v.txt", ["bee", "ant", "wasp"])
    with pytest.raises(ValueError, match="no vector for bee; say"):  # a word the user names is not guessed at
        word_likeness(tmp_path / "v.txt", ["bee"], {"bee": "bees"})
    with pytest.raises(ValueError, match="spelling names wasp, which the data set does not have"):
        word_likeness(tmp_path / "v.txt", ["bee"], {"wasp": "bee"})


def test_zero_vector_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(text({"bee": [1.0, 0], "ant": [0.0, 0]}))
    with pytest.raises(ValueError, match="the vector of 'ant', for class 'ant', is zero"):
        word_likeness(tmp_path / "v.txt", ["bee", "ant"])


def test_the_authors_spell_twenty_names_otherwise_and_left_four_classes_out() -> None:
    names = {name for members in SUPERCLASSES.values() for name in members}
    assert len(SIMLOSS_SPELLING) == 20
    assert SIMLOSS_LEFT_OUT.keys() == {"aquarium_fish", "sweet_pepper", "keyboard", "pickup_truck"}
    assert SIMLOSS_SPELLING.keys() | SIMLOSS_LEFT_OUT.keys() <= names
    assert not SIMLOSS_SPELLING.keys() & SIMLOSS_LEFT_OUT.keys()
