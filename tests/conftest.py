"""What every test is kept from: secrets that another one taught this process to hide."""

from __future__ import annotations

import pytest

from study import redaction


@pytest.fixture(autouse=True)
def _no_secret_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_remembered", set())
