"""How `study dashboard` serves an MLflow store: on which address, to which names, behind which password."""

from __future__ import annotations

import configparser
import ipaddress
import os
import secrets
import socket
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from study.errors import StudyError
from study.records.paths import Home
from study.redaction import remember

ADMIN = "admin"  # the user's name
PASSWORD = "STUDY_DASHBOARD_PASSWORD"
LEAST_PASSWORD = 12  # characters, MLflow's rule
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
QUIET = {  # an address that was printed stays in sight; errors are printed, too
    "MLFLOW_UVICORN_OPTS": "--log-level warning",
    "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",
}
LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass(frozen=True)
class Server:
    """An MLflow server that is to be started. `names`: what browsers may call it, besides its address."""

    home: Home
    host: str
    port: int
    auth: bool = False
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        """StudyError where it would show the studies to a network without a password, or MLflow lacks what it needs."""
        if not is_loopback(self.host) and not self.auth:
            raise StudyError(
                f"--host {self.host} would show every study to whoever reaches this machine; add --auth, or stay on "
                f"127.0.0.1 and come through a tunnel: ssh -L {self.port}:127.0.0.1:{self.port} THIS-MACHINE"
            )
        if self.auth and find_spec("flask_wtf") is None:
            raise StudyError("--auth needs Flask-WTF, which is not installed; pip install 'mlflow[auth]'")

    @property
    def hosts(self) -> list[str]:
        """Host headers that are answered: no other site's name may lead a browser here."""
        named = [*LOOPBACK_NAMES, *self.names]
        if not is_loopback(self.host):
            wildcard = self.host in ("0.0.0.0", "::")
            named += [socket.gethostname(), socket.getfqdn()] if wildcard else [self.host]
        return [f"{name}:{self.port}" for name in dict.fromkeys(named)]

    @property
    def command(self) -> list[str]:
        """The server's command line, which every user of the machine can read: without the store's address."""
        return [
            sys.executable, "-m", "mlflow", "server", "--host", self.host, "--port", str(self.port), "--workers", "1",
            "--allowed-hosts", ",".join(self.hosts), "--default-artifact-root", self.home.mlflow_artifacts.as_uri(),
            *(["--app-name", "basic-auth"] if self.auth else []),
        ]  # fmt: skip

    def environment(self, uri: str, password: str | None = None) -> dict[str, str]:
        """What the server needs besides this process's environment. Writes the settings of `--auth`.

        The user store is made anew: the password is the one given now, whatever it was before.
        """
        found = {**QUIET, **LIGHT, "MLFLOW_BACKEND_STORE_URI": uri}
        if not self.auth:
            return found
        assert password is not None
        folder = self.home.mlflow_auth
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        users, settings = folder / "users.db", folder / "settings.ini"
        for file in folder.glob("users.db*"):
            file.unlink()
        users.touch(mode=0o600)
        config = configparser.RawConfigParser()
        config["mlflow"] = {
            "default_permission": "READ",
            "database_uri": f"sqlite:///{users}",
            "admin_username": ADMIN,
            "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        }
        with settings.open("w", encoding="utf-8") as opened:
            config.write(opened)
        return found | {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN,
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
        }

    def check_port(self) -> None:
        """StudyError where the address cannot be listened on."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except socket.gaierror as problem:
                raise StudyError(f"--host {self.host}: {problem.strerror}; name an address of this machine") from None
            except OSError as problem:
                if isinstance(problem, PermissionError):
                    raise StudyError(f"port {self.port} needs root; choose one from 1024") from None
                raise StudyError(
                    f"port {self.port} is taken; choose another: study dashboard --port {self.port + 1}"
                ) from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. A name other than localhost counts as reachable."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def given_password(file: Path | None) -> str | None:
    """The password in `file`, or in the environment; None where neither is. StudyError for one that will not do."""
    password = os.environ.get(PASSWORD) or None
    if file is not None:
        try:
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                raise StudyError(f"{file}: others may read it; chmod 600 {file}")
            password = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as problem:
            raise StudyError(f"{file}: cannot be read: {problem}; correct the path") from None
    if password is not None:
        check_password(password)
    return password


def check_password(password: str) -> None:
    """StudyError where MLflow would refuse it."""
    remember(password)
    if len(password) < LEAST_PASSWORD:
        raise StudyError(f"the password has {len(password)} characters; MLflow asks for {LEAST_PASSWORD} or more")
