"""Passwords: recognised wherever they stand in an address, named in the study file, read by each process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from study.errors import StudyError
from study.records.ledger import Ledger
from study.redaction import hidden, holds_secret, redacted, without_user
from study.security.credentials import filled
from study.spec.study_file import load_spec, parse_spec
from study.spec.yaml_file import parse_document
from tests.study.conftest import SMALL

SECRET = "s3nt1nel/p@ss"
ADDRESSES = [
    f"http://user:{SECRET}@host:5000/team",
    f"https://{SECRET}@host",
    f"postgresql://user:{SECRET}@host/db",
    f"postgresql+psycopg2://user:{SECRET}@host/db?sslmode=require",
    f"mysql+pymysql://:{SECRET}@host/db",
    f"postgresql://host/db?user=me&password={SECRET}",
    f"http://host/?access_token={SECRET}",
]
HARMLESS = [
    "sqlite:////home/me@work/mlflow.db", "http://127.0.0.1:5000", "postgresql://user@host/db", "databricks://profile",
    "http://user:${MLFLOW_PASSWORD}@host", "postgresql://${USER}:${PASSWORD}@host/db", "${MLFLOW_URI}",
    "postgresql://host/db?password=${PASSWORD}", "http://host/#/experiments/1/runs?viewStateShareKey=cells",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_password_in_an_address_is_seen_and_hidden(address: str) -> None:
    assert holds_secret(address)
    for shown in (redacted(address), hidden(f"MLflow at '{address}' fails"), hidden(f'{{"uri": "{address}"}}')):
        assert "s3nt1nel" not in shown
        assert "p@ss" not in shown
        assert "host" in shown


@pytest.mark.parametrize("address", HARMLESS)
def test_an_address_without_a_password_stays_as_it_is(address: str) -> None:
    assert not holds_secret(address)
    assert hidden(f"at '{address}'") == f"at '{address}'"


def test_a_stores_name_does_not_depend_on_whether_its_password_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://user:${MLFLOW_PASSWORD}@host/team"
    monkeypatch.setenv("MLFLOW_PASSWORD", SECRET)
    assert redacted(filled(address)) == redacted(address) == "http://***@host/team"
    assert without_user(filled(address)) == "http://host/team"


@pytest.mark.parametrize("text", ["tracking: {{uri: '{}'}}", "tracking: '{}'", "tracking: {{uri: '{}', uro: 1}}"])
@pytest.mark.parametrize("address", ADDRESSES[:3])
def test_a_study_file_with_a_password_is_refused_and_the_line_does_not_show_it(text: str, address: str) -> None:
    with pytest.raises(StudyError) as refused:
        parse_spec(parse_document(re.sub("tracking:.*", text.format(address), SMALL), "s.yaml"))
    assert re.match(r"s.yaml:17: tracking", str(refused.value))
    assert "s3nt1nel" not in str(refused.value)


def test_a_password_on_the_command_line_is_refused_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SMALL)
    with pytest.raises(StudyError, match=r"write \$\{NAME\} in its place") as refused:
        load_spec(tmp_path / "s.yaml", [f"tracking.uri={ADDRESSES[0]}"])
    assert "s3nt1nel" not in str(refused.value)


def test_a_value_comes_from_the_environment_or_a_file_and_is_percent_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "http://user:${MLFLOW_PASSWORD}@host"
    with pytest.raises(StudyError, match=r"needs \$\{MLFLOW_PASSWORD\}, which is not set; export"):
        filled(address)
    (tmp_path / "password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("MLFLOW_PASSWORD_FILE", str(tmp_path / "password"))
    assert filled(address) == "http://user:s3nt1nel%2Fp%40ss@host"
    monkeypatch.setenv("MLFLOW_PASSWORD", "another")
    assert filled(address) == "http://user:another@host"
    monkeypatch.setenv("MLFLOW_URI", ADDRESSES[2])
    assert filled("${MLFLOW_URI}") == ADDRESSES[2]


def test_a_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PASSWORD_FILE", "/nowhere/password")
    with pytest.raises(StudyError, match="/nowhere/password: cannot be read"):
        filled("http://user:${MLFLOW_PASSWORD}@host")


def test_values_that_this_process_was_given_are_hidden_without_their_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-sentinel")
    monkeypatch.setenv("MLFLOW_URI", "http://user:whole-sentinel@host")
    filled("${MLFLOW_URI}")
    assert "sentinel" not in hidden("refused: aws-sentinel; whole-sentinel; http%3A//aws-sentinel")


@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_traceback_hides_them_too(where: str) -> None:
    raising = "def fail():\n    raise RuntimeError('at http://user:sentinel@host')\n"
    call = "fail()" if where == "main" else "import threading; t = threading.Thread(target=fail); t.start(); t.join()"
    program = f"from study.redaction import hide_in_tracebacks\nhide_in_tracebacks()\n{raising}{call}\n"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr
    assert "RuntimeError: at http://***@host" in said


def test_a_launch_overwrites_the_passwords_that_an_older_version_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path, write=True) as ledger:
        ledger._connection.execute(
            "INSERT INTO specs (time, spec, environment) VALUES (1, ?, '{}')",
            (f'{{"tracking": {{"uri": "{ADDRESSES[0]}"}}, "padding": "{"x" * 9000}"}}',),
        )
    assert b"s3nt1nel" in path.read_bytes()
    with Ledger(path, write=True) as ledger:
        ledger.record_spec({"tracking": {"uri": "http://user:${PASSWORD}@host"}}, {})
    assert b"s3nt1nel" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    with Ledger(path) as ledger:
        assert ledger.spec() == {"tracking": {"uri": "http://user:${PASSWORD}@host"}}
