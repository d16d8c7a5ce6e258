"""How a study file names a similarity: parsed once, completed, refused in sentences; no library needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainables.similarity import SIMILARITIES, check, identity, parse
from trainables.similarity.fit import MAKERS


def test_name_alone_takes_the_defaults_that_count() -> None:
    assert parse("lda") == {"name": "lda", "sharpness": "logistic", "symmetric": False}
    assert parse({"name": "lda"}) == parse("lda")
    assert parse({"name": "lda", "sharpness": "exp"}) == {
        "name": "lda",
        "sharpness": "exp",
        "tau": 0.25,
        "symmetric": False,
    }


@pytest.mark.parametrize(
    "value",
    [
        "lda",
        "order",
        "hierarchy",
        "confusion",
        "uniform",
        {"name": "lda", "sharpness": "inverse", "delta": 1},
        {"name": "words", "path": "v.bin", "spelling": {"maple_tree": "maple"}, "sharpness": "softmax"},
        {"name": "file", "path": "a.npy", "digest": "0123456789abcdef"},
    ],
)
def test_parsing_twice_is_parsing_once_and_the_result_is_json(value: Any) -> None:
    spec = parse(value)
    assert parse(spec) == spec == json.loads(json.dumps(spec))


def test_whole_number_is_the_same_setting_as_the_real_one() -> None:
    assert json.dumps(parse({"name": "hierarchy", "within": 1})) == json.dumps(
        parse({"name": "hierarchy", "within": 1.0})
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ldaa", "unknown similarity 'ldaa'; did you mean 'lda'\\? similarities: lda, order, words"),
        (0.5, "similarity 0.5 is not a name; known: lda"),
        (None, "similarity None has no name"),
        ({"sharpness": "exp"}, "has no name; known: lda"),
        ({"name": "lda", "sharpnes": "exp"}, "unknown option 'sharpnes'; did you mean 'sharpness'\\?"),
        ({"name": "uniform", "r": 1}, "unknown option 'r'; similarity 'uniform' has: none"),
        ({"name": "lda", "sharpness": "expo"}, "unknown sharpness 'expo'; did you mean 'exp'\\?"),
        ({"name": "lda", "sharpness": "exp", "tau": 0}, r"tau = 0 is outside \(0, inf\): temperature"),
        ({"name": "lda", "sharpness": "exp", "tau": "hot"}, "tau = 'hot' is not a number"),
        ({"name": "lda", "sharpness": "exp", "tau": True}, "tau = True is not a number"),
        ({"name": "lda", "tau": 0.5}, "tau is for sharpness exp or softmax; sharpness is logistic"),
        ({"name": "lda", "sharpness": "exp", "delta": 0.5}, "delta is for sharpness inverse; sharpness is exp"),
        ({"name": "lda", "symmetric": 1}, "symmetric = 1 is neither true nor false"),
        ({"name": "order", "r": 1}, r"r = 1 is outside \[0, 1\)"),
        ({"name": "order", "r": -0.1}, r"r = -0\.1 is outside \[0, 1\)"),
        ({"name": "order", "r": float("nan")}, "r = nan is outside"),
        ({"name": "hierarchy", "within": 1.1}, r"within = 1\.1 is outside \[0, 1\]"),
        ({"name": "confusion", "smoothing": float("inf")}, r"smoothing = inf is outside \[0, inf\)"),
        ("words", "similarity 'words' needs path: a file of word vectors"),
        ("file", "similarity 'file' needs path: a matrix"),
        ({"name": "file", "path": 3}, "path = 3 is not the path of a file"),
        ({"name": "file", "path": ""}, "path = '' is not the path of a file"),
        ({"name": "file", "path": None}, "path = None is not the path of a file"),
        ({"name": "file", "path": "a.npy", "digest": "?"}, "digest = '\\?' is not 16 hex digits; leave it out"),
        ({"name": "words", "path": "v", "spelling": "simlos"}, "unknown spelling 'simlos'; did you mean 'simloss'"),
    ],
)
def test_what_is_no_similarity_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(value)


def test_file_counts_by_its_content_wherever_it_lies() -> None:
    spec = {"name": "file", "digest": "0123456789abcdef"}
    assert identity(parse(spec | {"path": "/a/m.npy"})) == identity(parse(spec | {"path": "/b/n.npy"})) == spec
    assert identity(parse({"name": "file", "path": "m.npy"}))["path"] == "m.npy"


def test_every_kind_is_described_and_can_be_made() -> None:
    assert SIMILARITIES.keys() == MAKERS.keys()
    for name, kind in SIMILARITIES.items():
        assert kind.name == name
        assert kind.title
        assert kind.formula
        assert kind.source
        for option in kind.options.values():
            assert option.meaning
            assert option.range
        assert set(kind.applies) <= set(kind.options)


def test_catalogue_needs_neither_numpy_nor_torch() -> None:
    program = (
        "import sys; from trainables.similarity import parse; parse('lda'); "
        "import trainables.similarity.resolve; print([m for m in ('numpy', 'torch', 'scipy') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, timeout=60)
    assert (printed.stdout.strip(), printed.stderr) == ("[]", "")
