"""The study SMALL as text, changed, read and refused."""

from __future__ import annotations

import pytest

from study.errors import StudyError
from study.spec import StudySpec
from study.spec.study_file import parse_spec
from study.spec.yaml_file import override, parse_document
from tests.study.conftest import SMALL


def parse(text: str, *overrides: str) -> StudySpec:
    document = parse_document(text, "small.yaml")
    override(document, overrides)
    return parse_spec(document)


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(StudyError) as refused:
        parse(text, *overrides)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def changed(old: str, new: str) -> str:
    assert SMALL.count(old) == 1, old
    return SMALL.replace(old, new)
