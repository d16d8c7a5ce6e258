"""Passwords: recognised wherever they stand in an address, named in the study file, read by each process."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from study.errors import StudyError
from study.records.ledger import Ledger
from study.redaction import hidden, holds_secret, redacted, without_user
from study.security.credentials import filled
from study.spec.study_file import load_spec, parse_spec
from study.spec.yaml_file import parse_document, to_yaml
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
    *(
        f"http://host/path?{name}={SECRET}"
        for name in (
            "pass",
            "passphrase",
            "sig",
            "key",
            "auth",
            "credential",
            "X-Amz-Signature",
            "subscription-key",
            "db_pass",
        )
    ),
    f"http://host/#token={SECRET}",
]
ODD = ["s3nt1'nel99", 's3nt1"nel99', "s3nt1<nel99", "s3nt1>nel99", "s3nt1 nel99", "s3nt1\tnel99"]  # unencoded
HARMLESS = [
    "sqlite:////home/me@work/mlflow.db", "http://127.0.0.1:5000", "postgresql://user@host/db", "databricks://profile",
    "http://user:${MLFLOW_PASSWORD}@host", "postgresql://${USER}:${PASSWORD}@host/db", "${MLFLOW_URI}",
    "postgresql://host/db?password=${PASSWORD}", "http://host/#/experiments/1/runs?viewStateShareKey=cells",
    "postgresql://host/db?sslmode=require&passfile=/home/me/.pgpass&sslkey=/home/me/key", "http://host/?monkey=7&author=me",
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


@pytest.mark.parametrize("password", ODD)
@pytest.mark.parametrize("address", ["http://user:{}@127.0.0.1:59999", "postgresql://host/db?user=me&password={}"])
def test_a_password_with_a_quote_or_a_space_is_refused_and_stands_in_no_line(
    password: str, address: str, tmp_path: Path
) -> None:
    uri = address.format(password)
    (tmp_path / "s.yaml").write_text(SMALL)
    assert holds_secret(uri)
    assert "nel99" not in redacted(uri) + without_user(redacted(uri))
    for setting in (f"tracking.uri={json.dumps(uri)}", f"tracking={json.dumps(uri)}", f"tracking.uri='\"{uri}"):
        with pytest.raises(StudyError) as refused:
            load_spec(tmp_path / "s.yaml", [setting, "training.epochs=none"])
        assert "nel99" not in "".join([str(refused.value), *refused.value.further])


@pytest.mark.parametrize("character", ["'", '"', "<", ">", " "])
def test_a_character_that_must_be_percent_encoded_before_the_at_is_refused_with_the_next_step(
    character: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = json.dumps(f"http://us{character}er:${{PASSWORD}}@host")
    with pytest.raises(StudyError, match="percent-encode it, as %27 for '") as refused:
        parse_spec(parse_document(re.sub("tracking:.*", lambda _: f"tracking: {{uri: {name}}}", SMALL), "s.yaml"))
    assert re.match(r"s.yaml:17: tracking.uri", str(refused.value))
    monkeypatch.setenv("MLFLOW_URI", f"http://user:s3nt1{character}nel99@host")
    with pytest.raises(StudyError, match=r"tracking.uri = \$\{MLFLOW_URI\}: .* percent-encode it") as refused:
        filled("${MLFLOW_URI}")
    assert "nel99" not in str(refused.value)


@pytest.mark.parametrize("password", ["pa'ss<w0rd 1", 'p"ss/w0rd+1&', "pässw0rd"])
def test_a_remembered_password_is_hidden_in_whatever_form_it_is_written(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_PASSWORD", password)
    filled("http://user:${MLFLOW_PASSWORD}@host")
    forms = [
        password, quote(password), quote(password, safe=""), quote_plus(password), quote(password, safe="").lower(),
        json.dumps(password), json.dumps(password, ensure_ascii=False), repr(password), html.escape(password),
        to_yaml({"uri": password}),
    ]  # fmt: skip
    for form in forms:
        assert "w0rd" not in hidden(f"refused: {form}."), form


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


def test_a_launch_overwrites_a_password_that_no_address_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(path, write=True) as ledger:
        spec = {"tracking": {"uri": "http://user:s3nt1 n'e\"l@host"}}
        ledger._connection.execute(
            "INSERT INTO specs (time, spec, environment) VALUES (1, ?, '{}')", (json.dumps(spec),)
        )
        ledger.record_spec({}, {})
        kept = ledger._connection.execute("SELECT spec FROM specs ORDER BY id").fetchone()[0]
    assert json.loads(kept) == {"tracking": {"uri": "http://***@host"}}


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
