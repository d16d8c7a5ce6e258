"""The compose files: valid, and every service closed as far as it goes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.dockerfile import ROOT

FOLDER = ROOT / "docker"
FILES = [FOLDER / "compose.yaml", FOLDER / "compose.gpu.yaml"]
COMPOSE: dict[str, Any] = yaml.safe_load(FILES[0].read_text(encoding="utf-8"))
GPU: dict[str, Any] = yaml.safe_load(FILES[1].read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_the_files_fit_the_specification_of_compose() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", *FILES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids=["cpu", "gpu"])
def test_compose_reads_them_itself(files: list[Path]) -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker with its plugin compose is not installed")
    options = [word for file in files for word in ("--file", str(file))]
    done = subprocess.run(
        [docker, "compose", *options, "--profile", "s3", "config", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_services_are_those_of_the_design() -> None:
    assert set(SERVICES) == {"head", "worker", "mlflow", "postgres", "s3"}
    assert SERVICES["s3"]["profiles"] == ["s3"]
    assert all("profiles" not in service for name, service in SERVICES.items() if name != "s3")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_closed(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"][0] == "CMD"
    if "build" not in service:  # ours have the user of their image
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_but_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "network_mode" not in service


def test_databases_are_reached_from_inside_alone() -> None:
    assert COMPOSE["networks"]["store"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["store"]
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"head", "mlflow"}


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.search(r":\d[\w.-]*$", image)
    if "build" in SERVICES[name]:
        assert f":{VERSION}" in image


def test_secrets_come_from_files_that_git_does_not_track() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
                assert str(value).startswith("/run/secrets/"), variable
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        file = FOLDER / secret["file"]
        assert subprocess.run(["git", "check-ignore", "--quiet", file], cwd=ROOT, check=False).returncode == 0
    tracked = subprocess.run(["git", "ls-files", "docker"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "secrets/" not in tracked.stdout


def test_every_secret_is_made_by_the_script_and_none_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run([FOLDER / "make-secrets", folder], check=True, capture_output=True)
        made = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
        (folder / "ray_token.txt").write_text("mine", encoding="utf-8")
    assert made["ray_token.txt"] == "mine"
    assert {f"secrets/{name}" for name in made} == {each["file"] for each in COMPOSE["secrets"].values()}
    assert len(made["postgres_password.txt"]) == 64
    assert len(set(made.values())) == len(made)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_gpu_file_changes_services_that_there_are() -> None:
    assert set(GPU["services"]) <= set(SERVICES)
    assert GPU["services"]["worker"]["build"]["target"] == "gpu"
    assert GPU["services"]["worker"]["image"] == SERVICES["worker"]["image"].replace("cpu", "gpu")
    assert any("--num-gpus" in word for word in GPU["services"]["worker"]["command"])


def test_mlflow_answers_to_the_names_that_it_is_called_by() -> None:
    hosts = SERVICES["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert {"mlflow:5000", "localhost:*", "127.0.0.1:*"} <= set(hosts.partition(":-")[2].rstrip("}").split(","))
    assert "*" not in hosts.split(",")
