"""What others could reach: seen by the doctor, refused by the dashboard, and no way out of a study's folder."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from study.errors import StudyError
from study.export.reading import beside
from study.records.environment import package_versions
from study.records.ledger import Ledger
from study.records.paths import Home, StudyPaths
from study.security import exposure
from study.security.advisories import ADVISORIES, known_weaknesses
from study.tracking.mlflow_store import make_sqlite_store
from study.tracking.server import LEAST_PASSWORD, Server, given_password, is_loopback
from study.upkeep.checkup import examine
from tests.launch.conftest import free_port, started

LISTEN = "import socket, sys, time; s = socket.create_server((sys.argv[2], 0)); print(s.getsockname()[1], flush=True); "
PASSWORD = "correct horse battery"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose token is not this machine's."""
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    found = Home(tmp_path / "studies")
    found.ensure_writable()
    tmp_path.chmod(0o755)
    return found


def notes(home: Home, what: str) -> list[str]:
    return [finding.said for finding in examine(home) if finding.what == what and finding.verdict == "note"]


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True),
    ("0.0.0.0", False), ("::", False), ("192.0.2.2", False), ("::ffff:192.0.2.2", False), ("my-machine", False),
])  # fmt: skip
def test_only_addresses_of_this_machine_alone_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(("host", "seen"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_a_server_of_ours_that_a_network_reaches_is_seen(host: str, seen: bool) -> None:
    command = [sys.executable, "-c", LISTEN + "time.sleep(60)", "mlflow", host]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        found = [each for each in exposure.open_ports() if each.pid == server.pid]
        assert [(each.name, each.address, each.port) for each in found] == ([("mlflow", host, port)] if seen else [])
    finally:
        server.kill()
        server.communicate()


def test_the_doctor_warns_of_tokens_that_others_may_read_and_of_folders_that_they_may_change(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposure, "_open_to", lambda path, others: bool(path.stat().st_mode & others))
    token = home.root.parent / "token"
    token.write_text("x")
    for mode, warned in ((0o644, True), (0o600, False)):
        token.chmod(mode)
        assert notes(home, "token") == ([f"{token} can be read by others; chmod 600 {token}"] if warned else [])
    for mode, whose in ((0o777, "every user"), (0o2770, "its group"), (0o755, "")):
        home.root.chmod(mode)
        said = notes(home, "shared folder")
        assert len(said) == bool(whose)
        assert all(f"{home.root}: {whose}" in each for each in said)
    (home.root / "mlflow.db").touch()
    (home.root / "mlflow.db").chmod(0o660)
    assert "its group may change it" in notes(home, "shared folder")[0]


def test_the_doctor_warns_of_a_store_on_a_network_file_system(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    (home.root / "mlflow.db").touch()
    assert not notes(home, "shared folder")
    part = type("Part", (), {"mountpoint": str(home.root.parent), "fstype": "nfs4"})
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [part])
    assert "lies on nfs4" in notes(home, "shared folder")[0]


def test_a_home_that_is_a_link_onto_a_network_file_system_is_seen(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    (home.root / "mlflow.db").touch()
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link"
    link.symlink_to(home.root)
    part = type("Part", (), {"mountpoint": str(home.root), "fstype": "nfs4"})
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [part])
    assert "lies on nfs4" in notes(Home(link), "shared folder")[0]


@pytest.mark.parametrize("address", ["sqlite:///{}/shared.db", "file://{}", "{}", "${{STORE}}"])
def test_the_store_that_a_study_names_itself_is_looked_at(
    address: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    monkeypatch.setattr(exposure, "_open_to", lambda path, others: bool(path.stat().st_mode & others))
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "shared.db").touch()
    for path, mode in ((home.root, 0o755), (folder, 0o755), (folder / "shared.db", 0o644)):
        path.chmod(mode)
    monkeypatch.setenv("STORE", f"sqlite:///{folder}/shared.db")
    named = home.study("s")
    named.root.mkdir()
    with Ledger(named.ledger, write=True) as ledger:
        ledger.record_spec({"tracking": {"uri": address.format(folder)}}, {})
    assert not notes(home, "shared folder")
    folder.chmod(0o2770)
    (folder / "shared.db").chmod(0o660)
    assert "its group may change it" in notes(home, "shared folder")[0]
    part = type("Part", (), {"mountpoint": str(folder), "fstype": "nfs4"})
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [part])
    assert "lies on nfs4" in notes(home, "shared folder")[-1]


def test_a_password_file_that_a_variable_names_is_looked_at(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposure, "_open_to", lambda path, others: bool(path.stat().st_mode & others))
    named = home.study("s")
    named.root.mkdir()
    with Ledger(named.ledger, write=True) as ledger:
        ledger.record_spec({"tracking": {"uri": "http://me:${TEAM_PASSWORD}@host"}}, {})
    for name in ("TEAM_PASSWORD", "MLFLOW_TRACKING_PASSWORD"):
        file = tmp_path / name
        file.write_text("x")
        monkeypatch.setenv(f"{name}_FILE", str(file))
        for mode, warned in ((0o640, True), (0o600, False)):
            file.chmod(mode)
            assert bool([said for said in notes(home, "token") if str(file) in said]) is warned


def test_old_versions_are_known_and_the_installed_ones_are_none_of_them() -> None:
    assert known_weaknesses(package_versions()) == []
    found = known_weaknesses({"mlflow": "2.3.0", "ray": "2.53.0", "torch": "2.5.1+cu124"})
    assert found == list(ADVISORIES)
    assert all(advisory.source.startswith("https://") for advisory in ADVISORIES)
    assert known_weaknesses({"ray": "2.55.0", "torch": "not installed"}) == []


def test_a_dashboard_for_the_network_without_a_password_is_refused(home: Home) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.2"):
        with pytest.raises(StudyError, match="add --auth, or stay on"):
            Server(home, host, 5000)


def test_the_dashboards_command_line_holds_neither_the_stores_address_nor_a_password(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.tracking.server.find_spec", lambda name: object())
    server = Server(home, "0.0.0.0", 5000, auth=True, names=["studies.example.org"])
    environment = server.environment("postgresql://me:sentinel@host/db", PASSWORD)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:sentinel@host/db"
    assert "sentinel" not in " ".join(server.command)
    assert PASSWORD not in " ".join(server.command)
    assert "studies.example.org:5000" in server.hosts
    assert "*" not in server.hosts
    files = list(home.mlflow_auth.iterdir())
    assert home.mlflow_auth.stat().st_mode & 0o777 == 0o700
    assert not [file for file in files if PASSWORD.encode() in file.read_bytes()]


def test_a_password_comes_from_a_private_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o644)
    with pytest.raises(StudyError, match="others may read it; chmod 600"):
        given_password(file)
    file.chmod(0o600)
    assert given_password(file) == PASSWORD
    assert given_password(None) is None
    monkeypatch.setenv("STUDY_DASHBOARD_PASSWORD", "short")
    with pytest.raises(StudyError, match=f"has 5 characters; MLflow asks for {LEAST_PASSWORD}"):
        given_password(None)


def test_a_dashboard_that_asks_for_a_password_says_what_is_missing_to_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.tracking.server.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"pip install 'mlflow\[auth\]'"):
        Server(home, "127.0.0.1", 5000, auth=True)


@pytest.fixture
def served(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """MLflow behind a password, as `study dashboard --auth` starts it."""
    more = {}
    if (
        importlib.util.find_spec("flask_wtf") is None
    ):  # its form token guards the page that makes users, which is unused
        stub = tmp_path / "stub" / "flask_wtf"
        stub.mkdir(parents=True)
        (stub / "__init__.py").touch()
        (stub / "csrf.py").write_text(
            "class CSRFProtect:\n    def init_app(self, app): ...\n    def protect(self): ...\n"
        )
        more = {"PYTHONPATH": f"{stub.parent}:{os.environ.get('PYTHONPATH', '')}"}
        monkeypatch.setattr("study.tracking.server.find_spec", lambda name: object())
    make_sqlite_store(home.root / "mlflow.db")
    server = Server(home, "127.0.0.1", free_port(), auth=True)
    address = f"http://127.0.0.1:{server.port}"
    environment = server.environment(home.mlflow_uri, PASSWORD) | more
    with started(f"{address}/health", *server.command[2:], **environment):
        yield address


def _status(address: str, user: str = "", password: str = "", **headers: str) -> int:
    shown = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/experiments/search?max_results=5", headers=headers)
    if user:
        request.add_header("Authorization", f"Basic {shown}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code


@pytest.mark.slow
def test_mlflow_answers_who_has_the_password_and_by_its_own_name_alone(served: str, home: Home) -> None:
    assert _status(served) == 401
    assert _status(served, "admin", "password1234") == 401
    assert _status(served, "admin", PASSWORD) == 200
    assert _status(served, "admin", PASSWORD, Host="evil.example.org") == 403
    assert not exposure.readable_secrets(home)
    port = int(served.rpartition(":")[2])
    for address in _own_addresses():
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0


def _own_addresses() -> list[str]:
    """Where a network reaches this machine."""
    import psutil

    found = [each for interface in psutil.net_if_addrs().values() for each in interface]
    return [each.address for each in found if each.family == socket.AF_INET and not is_loopback(each.address)]


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "", "sub/x", None, 3])
def test_no_file_that_an_export_names_lies_outside_its_folder(name: Any, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="a file beside it, without a folder, is read"):
        beside(tmp_path / "best.yaml", name)
    assert beside(tmp_path / "best.yaml", "best.safetensors") == tmp_path / "best.safetensors"


@pytest.mark.parametrize("name", ["../../x", "/etc", "..", "", "a/b"])
def test_no_trial_key_and_no_study_leads_out_of_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no name of a folder but a path"):
        StudyPaths(tmp_path).checkpoint(name)
    with pytest.raises(StudyError, match="no name of a folder but a path"):
        Home(tmp_path).study(name)


def test_weights_that_are_no_tensors_are_refused_in_a_line(tmp_path: Path) -> None:
    from study.export.reading import _tensors

    data = b"\x80\x04cos\nsystem\n"
    (tmp_path / "best.safetensors").write_bytes(data)
    entry = {"file": "best.safetensors", "sha256": hashlib.sha256(data).hexdigest()}
    for kind in ("torch", "numpy"):
        with pytest.raises(StudyError, match="no safetensors file"):
            _tensors(tmp_path / "best.yaml", entry, kind)


MARK = "executed"


class _Bomb:
    def __reduce__(self) -> Any:
        return (open, (MARK, "w"))


@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt", ".csv"])
def test_labels_and_matrices_that_hold_code_are_refused_and_nothing_runs(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    import numpy as np
    import torch

    from trainables.data.noise.file import read_arrays
    from trainables.similarity.file import read_numbers

    monkeypatch.chdir(tmp_path)
    path, held = tmp_path / f"bomb{ending}", np.array([_Bomb()], dtype=object)
    match ending:
        case ".npy":
            np.save(path, held, allow_pickle=True)
        case ".npz":
            np.savez(path, held)
        case ".pt":
            torch.save({"labels": _Bomb()}, path)
        case _:
            path.write_bytes(pickle.dumps(_Bomb()))
    for read in (read_arrays, read_numbers):
        with pytest.raises(ValueError, match=r"bomb\."):
            read(path)
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [touch executed]", "!!python/name:os.system ''"])
def test_yaml_that_names_code_is_refused_and_nothing_runs(
    tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from study.export import read_export
    from study.spec.yaml_file import read_document
    from trainables.similarity.hierarchy import read_superclasses

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.yaml"
    path.write_text(f"name: {tag}\n")
    for read in (read_document, read_export, read_superclasses):
        with pytest.raises((StudyError, ValueError), match="not YAML"):
            read(path)
    assert not (tmp_path / MARK).exists()


def test_dashboard_json_names_no_password(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from study.cli.dashboard import dashboard

    monkeypatch.setenv("STUDY_HOME", str(home.root))
    (home.root / "mlflow.db").touch()
    dashboard(as_json=True)
    command = json.loads(capsys.readouterr().out)["command"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--allowed-hosts") + 1] == "localhost:5000,127.0.0.1:5000,[::1]:5000"


@pytest.mark.slow
def test_a_dashboard_that_is_looked_at_says_nothing_of_warnings_and_requests(home: Home, tmp_path: Path) -> None:
    make_sqlite_store(home.root / "mlflow.db")
    server = Server(home, "127.0.0.1", free_port())
    address = f"http://127.0.0.1:{server.port}"
    environment = server.environment(home.mlflow_uri)
    with (
        (tmp_path / "said").open("wb") as log,
        started(f"{address}/health", *server.command[2:], log=log, **environment),
    ):
        assert _status(address) == 200
    text = (tmp_path / "said").read_text()
    assert not [word for word in ("GET", "Deprecat", "Uvicorn running") if word in text], text
