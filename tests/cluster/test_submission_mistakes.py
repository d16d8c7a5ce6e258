"""Whatever is wrong with a cluster, or with what is asked of it, is one line with the next step, and exit code 2."""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from study.remote.client import Job
from tests.cluster.job_server import JobServer
from tests.study.commands import Said, check_answer, run

STUDY = """\
name: tiny
dataset: digits
model: {name: mlp, hidden: 8}
families: [ce]
training: {epochs: 1, optimizer: {name: sgd, lr: 0.05}}
"""
SETUP = "runtime_env setup failed: Failed to set up runtime environment.\nValueError: no space left to unpack it\n"


@pytest.fixture(autouse=True)
def _on_a_laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "STUDY_HOME", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(STUDY)


@pytest.fixture
def known(server: JobServer, monkeypatch: pytest.MonkeyPatch) -> JobServer:
    monkeypatch.setenv("RAY_AUTH_TOKEN", server.token)
    return server


def refused(*words: str) -> str:
    said = run(*words)
    check_answer(said)
    assert said.code == 2, said
    assert not said.out, said
    return said.err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def says(answer: bytes) -> Iterator[str]:
    """The address of a server that answers everybody alike, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listening.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(4096)
                    caller.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("address", ["auto", "head:8265", "ray://head:10001", "http://", "/tmp/ray"])
def test_what_is_no_address_of_a_job_server(address: str) -> None:
    assert "give the one of the head's dashboard, as in http://head:8265" in refused("list", "--address", address)


def test_nobody_there() -> None:
    said = refused("status", "tiny", "--address", f"http://127.0.0.1:{free_port()}")

    assert "no job server there; is the head up, and this its dashboard's port?" in said


def test_https_is_asked_of_a_server_that_has_none(server: JobServer) -> None:
    said = refused("list", "--address", server.address.replace("http", "https"))

    assert f"it does not speak https; try {server.address}" in said


def test_http_is_asked_of_a_server_that_has_https() -> None:
    with says(b"") as host:
        assert f"does not speak http; try https://{host}" in refused("list", "--address", f"http://{host}")
    plain = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 50\r\n\r\nThe plain HTTP request was sent to HTTPS port ....."
    with says(plain) as host:
        assert f"it speaks https; try https://{host}" in refused("list", "--address", f"http://{host}")


def test_another_server() -> None:
    with says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") as host:
        said = refused("list", "--address", f"http://{host}")

    assert "is no Ray job server" in said


def test_no_token(server: JobServer, tmp_path: Path) -> None:
    said = refused("list", "--address", server.address)

    assert "it asks for a token; let RAY_AUTH_TOKEN hold it, or a file that RAY_AUTH_TOKEN_PATH names" in said
    assert str(tmp_path / "token") in said


def test_a_wrong_token_is_not_shown(server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "sesame-sesame")
    said = refused("list", "--address", server.address)

    assert "it does not take the token of RAY_AUTH_TOKEN; use the one that its head was started with" in said
    assert "sesame" not in said


def test_a_token_file_is_read(server: JobServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{server.token}\n")

    said = refused("logs", "nothing", "--address", server.address)

    assert f"no study or job 'nothing' at {server.address}; 'study list --address" in said


def test_another_version_of_ray(known: JobServer) -> None:
    known.ray_version = "2.55.1"
    said = refused("launch", "tiny.yaml", "--submit", known.address)

    assert "runs Ray 2.55.1, this machine Ray " in said
    assert "install ray==2.55.1 here" in said


def test_an_address_of_ray_in_the_environment_does_not_lead_elsewhere(
    known: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")

    assert "no study or job 'nothing'" in refused("logs", "nothing", "--address", known.address)


def test_a_study_file_is_checked_before_anybody_is_asked() -> None:
    Path("tiny.yaml").write_text(STUDY.replace("ce", "cee"))

    said = refused("launch", "tiny.yaml", "--submit", f"http://127.0.0.1:{free_port()}")

    assert said.startswith("error: tiny.yaml:4: ")
    assert "did you mean 'ce'" in said


def test_what_cannot_travel_is_refused(known: JobServer) -> None:
    def launched(text: str, *words: str) -> str:
        Path("tiny.yaml").write_text(text)
        return refused("launch", "tiny.yaml", "--submit", known.address, *words)

    relative = STUDY.replace("dataset: digits", "dataset: {name: image_folder, root: images}")
    assert "dataset.root = 'images' counts from a folder of this machine" in launched(relative)
    Path("below").mkdir()
    Path("matrix.csv").write_text("1")
    shutil.copy("tiny.yaml", "below/tiny.yaml")
    outside = STUDY.replace("[ce]", "[{family: mcel, space: {similarity: {name: file, path: ../matrix.csv}}}]")
    Path("below/tiny.yaml").write_text(outside)
    said = refused("launch", "below/tiny.yaml", "--submit", known.address)
    assert "'../matrix.csv' lies outside the study file's folder; put it beside the study file" in said
    assert "give the cluster's whole path" in launched(STUDY, "--data", ".")
    assert "leave out --submit" in launched(STUDY, "--dry-run")
    assert "--send-env NOWHERE_SET: it is not set here" in launched(STUDY, "--send-env", "NOWHERE_SET")
    assert not known.jobs


def test_files_too_large_to_travel_are_named(known: JobServer) -> None:
    text = STUDY.replace("[ce]", "[{family: mcel, space: {similarity: {name: file, path: matrix.csv}}}]")
    Path("tiny.yaml").write_text(text)
    with Path("matrix.csv").open("wb") as file:
        file.truncate(101_000_000)

    said = refused("launch", "tiny.yaml", "--submit", known.address)

    assert "101 MB beside tiny.yaml would travel, more than 100; the largest is matrix.csv (101 MB)" in said


def test_a_study_that_is_under_way_is_not_submitted_twice(known: JobServer) -> None:
    known.starts_jobs = False
    assert run("launch", "tiny.yaml", "--submit", known.address).code == 0
    (job,) = known.jobs

    said = refused("launch", "tiny.yaml", "--submit", known.address)
    assert f"study 'tiny' is under way at {known.address} already, as job {job}" in said
    assert f"as job {job}" in refused("confirm", "tiny", "--submit", known.address)
    assert run("launch", "tiny.yaml", "--set", "name=other", "--submit", known.address).code == 0
    assert len(known.jobs) == 2


def test_a_job_that_could_not_be_set_up_says_why(known: JobServer) -> None:
    known.setup_failure = SETUP
    assert run("launch", "tiny.yaml", "--submit", known.address).code == 0
    known.setup_failure = ""

    said = refused("status", "tiny", "--address", known.address)
    assert "study 'tiny' did not begin; job tiny-launch-" in said
    assert "the cluster could not set up what it needs: ValueError: no space left to unpack it" in said
    assert "without a word: the cluster could not set up" in refused("logs", "tiny", "--address", known.address)


def test_a_question_that_could_not_be_set_up_says_why(known: JobServer) -> None:
    known.setup_failure = SETUP

    assert "ValueError: no space left to unpack it" in refused("list", "--address", known.address)


def test_what_is_unknown_over_there(known: JobServer) -> None:
    for command in ("status", "pull"):
        said = refused(command, "nothing", "--address", known.address)
        assert "on the head: unknown study 'nothing'; studies in " in said
    assert not known.jobs, "questions are taken off the list once they are answered"


def test_a_mistake_is_json_where_that_is_asked_for(known: JobServer) -> None:
    said: Said = run("status", "nothing", "--address", known.address, "--json")

    assert said.code == 2
    assert '"error": "on the head: unknown study' in said.out


@pytest.mark.parametrize(
    ("message", "error", "code", "why"),
    [
        ("sh: 1: python: not found", "JOB_ENTRYPOINT_COMMAND_ERROR", 127, "must find 'python'"),
        ("Traceback\nModuleNotFoundError: No module named 'torch'", "", 1, "the head's Python lacks 'torch'"),
        ("... last available logs:\nerror: tiny.yaml: no", "JOB_ENTRYPOINT_COMMAND_ERROR", 2, "tiny.yaml: no"),
        ("", "", None, "it left no word"),
    ],
)
def test_why_a_job_came_to_nothing_is_a_line(message: str, error: str, code: int | None, why: str) -> None:
    said = Job("tiny-launch-1", "tiny", "launch", "FAILED", message, error, code, 0.0).why()

    assert why in said
    assert "\n" not in said


def test_asking_for_help_imports_no_client() -> None:
    sys.modules.pop("ray.job_submission", None)

    assert run("status", "--help").code == 0
    assert "ray.job_submission" not in sys.modules
