"""A job server that speaks the protocol of Ray's, and runs what it is given as processes of this machine.

It stands in for a head where one would take too long to start, and can be told to misbehave. What it says in its
answers is what Ray 2.60's `job_head.py`, `job_supervisor.py` and token middleware say.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from aiohttp import web

OPEN_JOB = ("PENDING", "RUNNING")


@dataclass
class Running:
    """A job as the server keeps it."""

    details: dict[str, Any]
    log: Path
    process: subprocess.Popen[bytes] | None = None


@dataclass
class JobServer:
    """Serves at `address` between `start` and `close`; everything it writes lies in `folder`."""

    folder: Path
    token: str
    environment: dict[str, str]
    ray_version: str = ray.__version__
    setup_failure: str = ""  # if any, jobs end before they start, as where the runtime environment cannot be made
    starts_jobs: bool = True  # else they stay PENDING
    jobs: dict[str, Running] = field(default_factory=dict)
    packages: dict[str, Path] = field(default_factory=dict)

    def start(self) -> None:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(20)

    def close(self) -> None:
        for job in self.jobs.values():
            if job.process is not None and job.process.poll() is None:
                os.killpg(job.process.pid, signal.SIGKILL)
                job.process.wait(20)
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def wait_for(self, job: str, timeout_s: float = 200) -> dict[str, Any]:
        """The details of a job once it has ended."""
        deadline = time.monotonic() + timeout_s
        while (details := self._look(self.jobs[job]))["status"] in OPEN_JOB:
            assert time.monotonic() < deadline, self.jobs[job].log.read_text()
            time.sleep(0.1)
        return details

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)

        async def begin() -> None:
            app = web.Application(middlewares=[self._guard], client_max_size=2**30)
            app.add_routes(
                [
                    web.get("/api/version", self._version),
                    web.get("/api/packages/{protocol}/{name}", self._package),
                    web.put("/api/packages/{protocol}/{name}", self._upload),
                    web.get("/api/jobs/", self._list),
                    web.post("/api/jobs/", self._submit),
                    web.get("/api/jobs/{job}", self._info),
                    web.delete("/api/jobs/{job}", self._delete),
                    web.post("/api/jobs/{job}/stop", self._stop),
                    web.get("/api/jobs/{job}/logs", self._logs),
                    web.get("/api/jobs/{job}/logs/tail", self._tail),
                ]
            )
            self._runner = web.AppRunner(app)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
            ready.set()

        self._loop.run_until_complete(begin())
        self._loop.run_forever()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not given:
            return web.Response(status=401, text="Unauthorized: Missing authentication token")
        if given != f"Bearer {self.token}":
            return web.Response(status=403, text="Forbidden: Invalid authentication token")
        return await handler(request)

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"version": "4", "ray_version": self.ray_version, "ray_commit": "", "session_name": "session"}
        )

    async def _package(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["name"] in self.packages else 404)

    async def _upload(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        folder = self.folder / "packages" / name.removesuffix(".zip")
        with zipfile.ZipFile(io.BytesIO(await request.read())) as packed:
            packed.extractall(folder)
        self.packages[name] = folder
        return web.Response()

    async def _submit(self, request: web.Request) -> web.Response:
        asked = await request.json()
        job, environment = asked["submission_id"], asked["runtime_env"]
        assert job not in self.jobs
        details = {
            "type": "SUBMISSION", "job_id": None, "submission_id": job, "status": "PENDING",
            "entrypoint": asked["entrypoint"], "message": "Job has not started yet.", "error_type": None,
            "start_time": int(time.time() * 1000), "metadata": asked.get("metadata"), "runtime_env": environment,
            "driver_exit_code": None,
        }  # fmt: skip
        running = self.jobs[job] = Running(details, self.folder / f"job-driver-{job}.log")
        if self.setup_failure:
            details |= {
                "status": "FAILED", "message": self.setup_failure, "error_type": "RUNTIME_ENV_SETUP_FAILURE"
            }  # fmt: skip
        elif self.starts_jobs:
            self._run(running, environment)
        return web.json_response({"job_id": job, "submission_id": job})

    def _run(self, job: Running, environment: dict[str, Any]) -> None:
        folder = self.packages[environment["working_dir"].removeprefix("gcs://")]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"PATH": path, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1", **environment["env_vars"]}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_", "RAY_"))}
        job.details |= {"status": "RUNNING", "message": "Job is currently running."}
        with job.log.open("ab") as log:
            log.write(
                f"Running entrypoint for job {job.details['submission_id']}: {job.details['entrypoint']}\n".encode()
            )
            log.flush()
            job.process = subprocess.Popen(
                job.details["entrypoint"], shell=True, cwd=folder, env=kept | variables | self.environment,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _look(self, job: Running) -> dict[str, Any]:
        code = job.process.poll() if job.process else None
        if code is not None and job.details["status"] == "RUNNING":
            last = "\n".join(job.log.read_text().splitlines()[-10:])
            said = f"Job entrypoint command failed with exit code {code}, last available logs:\n{last}"
            job.details |= {
                "status": "FAILED" if code else "SUCCEEDED",
                "message": said if code else "Job finished successfully.",
                "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR" if code else None, "driver_exit_code": code,
            }  # fmt: skip
        return job.details

    def _found(self, request: web.Request) -> Running:
        name = request.match_info["job"]
        if name not in self.jobs:
            raise web.HTTPNotFound(text=f"Job {name} does not exist")
        return self.jobs[name]

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([self._look(job) for job in self.jobs.values()])

    async def _info(self, request: web.Request) -> web.Response:
        return web.json_response(self._look(self._found(request)))

    async def _delete(self, request: web.Request) -> web.Response:
        job = self._found(request)
        assert self._look(job)["status"] not in OPEN_JOB
        del self.jobs[request.match_info["job"]]
        return web.json_response({"deleted": True})

    async def _stop(self, request: web.Request) -> web.Response:
        job = self._found(request)
        if self._look(job)["status"] not in OPEN_JOB:
            return web.json_response({"stopped": False})
        if job.process is not None:
            os.killpg(job.process.pid, signal.SIGTERM)
        job.details |= {"status": "STOPPED", "message": "Job was intentionally stopped."}
        return web.json_response({"stopped": True})

    async def _logs(self, request: web.Request) -> web.Response:
        job = self._found(request)
        return web.json_response({"logs": job.log.read_text() if job.log.exists() else ""})

    async def _tail(self, request: web.Request) -> web.StreamResponse:
        job, socket = self._found(request), web.WebSocketResponse()
        await socket.prepare(request)
        sent = 0
        while True:
            ended = self._look(job)["status"] not in OPEN_JOB
            text = job.log.read_text()
            if text[sent:]:
                await socket.send_str(text[sent:])
                sent = len(text)
            if ended:
                return socket
            await asyncio.sleep(0.1)
