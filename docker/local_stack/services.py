"""The services: how each is started, when it is healthy, and what a user's shell learns of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from local_stack import postgres
from local_stack.place import Place

SERVE = Path(__file__).parents[1] / "mlflow" / "serve.py"
KINDS = ("postgres", "s3", "mlflow", "ray")
NEEDS = {"mlflow": ("postgres", "s3")}
MODULES = {
    "postgres": {"psycopg2": "psycopg2-binary"},
    "s3": {"moto": "moto[server]", "flask_cors": "moto[server]", "boto3": "boto3"},
    "mlflow": {"mlflow": "mlflow", "flask_wtf": "mlflow[auth]"},
    "ray": {"ray": "ray", "aiohttp_cors": "ray[default]"},
}
OBJECT_STORE_BYTES = 100_000_000  # of each Ray node, in /dev/shm
BUCKET = "artifacts"
REGION = "us-east-1"


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    kinds: tuple[str, ...] = KINDS
    workers: int = 2
    cpus: int = 1
    mortal: bool = False  # a worker node may end, and the others go on


@dataclass(frozen=True)
class Service:
    """One process with what descends from it. `told` goes into the user's shell."""

    name: str
    command: Callable[[], list[str]]
    check: str  # an address that answers, or HOST:PORT that takes a connection
    environment: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    account: str | None = None
    polite: signal.Signals = signal.SIGTERM
    outlives: bool = False  # others need it to end well
    mortal: bool = False


def lacking(kinds: tuple[str, ...]) -> list[str]:
    """Packages that have to be installed for these."""
    wanted = {module: package for kind in kinds for module, package in MODULES[kind].items()}
    return sorted({package for module, package in wanted.items() if find_spec(module) is None})


def healthy(check: str) -> bool:
    """Whether a service does its part now."""
    if "://" not in check:
        host, _, port = check.partition(":")
        try:
            socket.create_connection((host, int(port)), timeout=2).close()
        except OSError:
            return False
        return True
    try:
        urllib.request.urlopen(check, timeout=4).close()
    except (OSError, http.client.HTTPException):
        return False
    return True


def plan(wish: Wish, place: Place, run: Path) -> list[Service]:
    """The services in the order of their starts, on ports that are free now; each waits for those before it."""
    kinds = {need for kind in wish.kinds for need in (kind, *NEEDS.get(kind, ()))}
    found: list[Service] = []
    if "postgres" in kinds:
        found.append(database := _postgres(place, run))
    if "s3" in kinds:
        found.append(s3 := _s3())
    if "mlflow" in kinds:
        found.append(_mlflow(place, database, s3))
    if "ray" in kinds:
        found += _ray(wish, place, run, s3.told if "s3" in kinds else {})
    return found


def _postgres(place: Place, run: Path) -> Service:
    port, data, password = free_port(), run / "postgres", place.new_secret("postgres_password")

    def command() -> list[str]:
        postgres.make_cluster(data, password)
        return postgres.command(data, port)

    uri = f"postgresql://{postgres.USER}:{password}@127.0.0.1:{port}/postgres"
    return Service(
        "postgres", command, f"127.0.0.1:{port}", told={"POSTGRES_PORT": str(port), "POSTGRES_URI": uri},
        account=postgres.account(), polite=signal.SIGINT, outlives=True,
    )  # fmt: skip


def _s3() -> Service:
    address = f"http://127.0.0.1:{(port := free_port())}"
    keys = {"AWS_ACCESS_KEY_ID": "stack", "AWS_SECRET_ACCESS_KEY": "stack", "AWS_DEFAULT_REGION": REGION}
    return Service(
        "s3", lambda: [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], address,
        told=keys | {"AWS_ENDPOINT_URL": address, "MLFLOW_S3_ENDPOINT_URL": address},
    )  # fmt: skip


def _mlflow(place: Place, database: Service, s3: Service) -> Service:
    port, password = free_port(), place.new_secret("mlflow_admin_password")
    place.new_secret("mlflow_secret_key")
    address = f"http://127.0.0.1:{port}"
    environment = s3.told | {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": database.told["POSTGRES_PORT"],
        "POSTGRES_DB": "postgres",
        "POSTGRES_PASSWORD_FILE": str(place.secret("postgres_password")),
        "MLFLOW_ADMIN_PASSWORD_FILE": str(place.secret("mlflow_admin_password")),
        "MLFLOW_SECRET_KEY_FILE": str(place.secret("mlflow_secret_key")),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port},localhost:{port}",
    }
    told = {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": password,
        "MLFLOW_PASSWORD": password,
        "MLFLOW_BUCKET": BUCKET,
    }
    return Service(
        "mlflow", lambda: [sys.executable, str(SERVE), "--port", str(port)], f"{address}/health", environment, told
    )


def _ray(wish: Wish, place: Place, run: Path, storage: dict[str, str]) -> list[Service]:
    place.new_secret("ray_token")
    environment = storage | {
        "MLFLOW_PASSWORD_FILE": str(place.secret("mlflow_admin_password")),
        "STUDY_HOME": os.environ.get("STUDY_HOME") or str(place.root / "studies"),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(place.secret("ray_token")),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # nodes that share a machine
    }
    port, dashboard = free_port(), free_port()
    address = f"127.0.0.1:{port}"
    told = {name: environment[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")} | {
        "RAY_ADDRESS": address,
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
    }
    head = [
        f"--head --port={port} --include-dashboard=true --dashboard-host=127.0.0.1 --dashboard-port={dashboard}",
        f"--ray-client-server-port={free_port()}" if find_spec("grpc") else "",
    ]
    node = partial(_node, run=run, environment=environment)
    workers = [node(f"ray-worker-{number}", f"--address={address}", wish.cpus) for number in range(1, wish.workers + 1)]
    return [
        replace(node("ray-head", " ".join(head), 0), told=told, outlives=True),
        *(replace(each, mortal=wish.mortal) for each in workers),
    ]


def _node(name: str, options: str, cpus: int, run: Path, environment: dict[str, str]) -> Service:
    """A node with a temporary folder of its own: nodes that share one unpack a job's code over one another's."""
    agent = free_port()
    kind, *number = name.removeprefix("ray-").split("-")
    scratch = run / (kind[0] + "".join(number))  # short, as the names of sockets must be
    ray = [sys.executable, "-c", "from ray.scripts.scripts import main; main()"]
    options += (
        f" --block --node-ip-address=127.0.0.1 --num-cpus={cpus} --num-gpus=0 --dashboard-agent-listen-port={agent}"
        f" --object-store-memory={OBJECT_STORE_BYTES} --temp-dir={scratch} --disable-usage-stats"
    )
    mark = json.dumps({name: 1})  # a resource by which a task can be sent to this node
    return Service(
        name, lambda: [*ray, "start", *options.split(), "--resources", mark],
        f"http://127.0.0.1:{agent}/api/healthz", environment,
    )  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on, and that this process has not given before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


_given: set[int] = set()


def environment_of(service: Service, run: Path, mark: str) -> dict[str, str]:
    """The environment of its process: ours, without what would lead it to another cluster or server."""
    foreign = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "MLFLOW_TRACKING_URI", "AWS_PROFILE")
    ours = {name: value for name, value in os.environ.items() if name not in foreign}
    ours["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{ours.get('PATH', os.defpath)}"  # jobs ask for `python`
    return {**ours, "TMPDIR": str(run / "tmp"), "PYTHONUNBUFFERED": "1", **service.environment, mark: str(run)}
