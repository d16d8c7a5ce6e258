"""The committed JSON Schema is the one that the models give, and describes the files that are shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import study
from study.records.paths import find_study_file, preset_names
from study.spec import json_schema
from tests.study.conftest import SMALL

COMMITTED = Path(study.__file__).with_name("schema.json")


def test_the_committed_schema_is_the_models_own() -> None:
    assert json.loads(COMMITTED.read_text()) == json_schema(), "run: make schema"


def test_shipped_studies_and_short_forms_satisfy_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (mlflow brings it)")
    validator = jsonschema.Draft202012Validator(json_schema())
    texts = [SMALL, SMALL.replace("{name: digits, holdout: 0.2}", "digits")]
    texts += [find_study_file(name).read_text() for name in preset_names()]
    for text in texts:
        assert not list(validator.iter_errors(YAML(typ="safe", pure=True).load(text)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("seed: 3", "sed: 3"), ("epochs: 9", "epochs: 0"), ("[0.5, 1.0, 1.5]", "[]"), ("name: sgd", "name: sdg")],
)
def test_the_schema_refuses_what_the_models_refuse(old: str, new: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (mlflow brings it)")
    assert SMALL.count(old) == 1
    values = YAML(typ="safe", pure=True).load(SMALL.replace(old, new))
    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(values))
