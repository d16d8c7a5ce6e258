"""What every test is kept from: a narrow terminal, and secrets that another one taught this process to hide."""

from __future__ import annotations

import os

import pytest

os.environ["COLUMNS"] = "200"  # before the commands' console is made

from study import redaction


@pytest.fixture(autouse=True)
def _no_secret_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_remembered", set())
