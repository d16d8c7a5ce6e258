"""How the MLflow server of images and local-stack comes by its addresses and passwords."""

from __future__ import annotations

import configparser
import importlib.util
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from tests.docker.dockerfile import ROOT

PASSWORD = "p%40s/w:o@rd %"


@pytest.fixture(scope="module")
def serve() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve", ROOT / "docker" / "mlflow" / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", str(file))
    return file


def test_a_password_of_any_characters_reaches_the_database(serve: ModuleType, password: Path) -> None:
    address = urlsplit(serve.store())
    assert unquote(address.password or "") == PASSWORD
    assert (address.hostname, address.port, address.path) == ("postgres", 5432, "/mlflow")


def test_the_settings_of_auth_hold_the_address_as_it_is_for_their_owner_alone(
    serve: ModuleType, password: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = serve.auth_settings(serve.store())
    read = configparser.ConfigParser()  # as MLflow reads it
    read.read(settings)
    assert read["mlflow"]["database_uri"] == serve.store()
    assert settings.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "POSTGRES_PASSWORD_FILE is not set"), ("/nowhere", "No such file"), ("", "is empty")],
)
def test_a_missing_password_is_said_in_a_line(
    serve: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, said: str
) -> None:
    monkeypatch.delenv("POSTGRES_PASSWORD_FILE", raising=False)
    if given is not None:
        empty = tmp_path / "empty"
        empty.touch()
        monkeypatch.setenv("POSTGRES_PASSWORD_FILE", given or str(empty))
    with pytest.raises(SystemExit) as ended:
        serve.store()
    assert said in str(ended.value)
    assert "\n" not in str(ended.value)
