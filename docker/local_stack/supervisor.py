"""The process that starts the services one after the other, watches them, and ends all of them when one ends."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import psutil

from local_stack import postgres
from local_stack.place import Place
from local_stack.processes import MARK, end, identity, kill, marked
from local_stack.services import Service, Wish, environment_of, healthy, plan

START_S = 240.0  # MLflow's first start makes its tables: 6 s, a minute where others keep the machine busy
GLANCE_S = 0.5


class FailedError(Exception):
    """A service ended by itself, or never answered."""

    def __init__(self, service: str, what: str) -> None:
        super().__init__(f"{service} {what}")
        self.service = service


class Supervisor:
    """One run of a stack in its folder."""

    def __init__(self, place: Place, wish: Wish) -> None:
        self.place, self.wish = place, wish
        self.run = Path(tempfile.mkdtemp(prefix="local-stack-"))  # short: Ray's sockets lie in it
        self.run.chmod(0o711)  # Postgres' account passes through
        (self.run / "tmp").mkdir(mode=0o700)
        self.running: list[tuple[Service, subprocess.Popen[bytes]]] = []

    def serve(self) -> int:
        """Until told to end (0), or until a service fails (1)."""
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        self.place.failure.unlink(missing_ok=True)
        try:
            self._start()
            while True:
                self._look()
                time.sleep(GLANCE_S)
        except (FailedError, postgres.MissingError) as problem:
            name = getattr(problem, "service", "postgres")
            log = f"{self.place.log(name)} ends:\n{self.place.last_lines(name)}"
            self.place.write(self.place.failure, f"{problem}\n{log}\n")
            return 1
        except KeyboardInterrupt:
            return 0
        finally:
            self._end()

    def _start(self) -> None:
        services = plan(self.wish, self.place, self.run)
        self._remember()
        for service in services:
            with self.place.log(service.name).open("wb") as log:
                process = subprocess.Popen(
                    service.command(), env=environment_of(service, self.run, MARK), cwd="/", stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True, user=service.account,
                )  # fmt: skip
            self.running.append((service, process))
            self._remember()
            deadline = time.monotonic() + START_S
            while not healthy(service.check):
                self._look()
                if time.monotonic() > deadline:
                    raise FailedError(service.name, f"did not answer at {service.check} within {START_S:.0f} s")
                time.sleep(0.1)
        told = {name: value for service in services for name, value in service.told.items()}
        self.place.write_env(told)

    def _look(self) -> None:
        for service, process in self.running:
            if (code := process.poll()) is not None and not service.mortal:
                raise FailedError(service.name, f"ended by itself with exit code {code}")

    def _remember(self) -> None:
        services = [
            {"name": service.name, "check": service.check, **identity(psutil.Process(process.pid))}
            for service, process in self.running
            if process.poll() is None
        ]
        supervisor = identity(psutil.Process())
        state: dict[str, Any] = {"supervisor": supervisor, "run": str(self.run), "services": services}
        self.place.write_state(state)

    def _end(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.place.env.unlink(missing_ok=True)
        for outlives in (False, True):
            ending = [(each, process) for each, process in self.running if each.outlives is outlives]
            with ThreadPoolExecutor(max_workers=len(ending) + 1) as pool:
                list(pool.map(_end, ending))
        clear_away(self.place, self.run)


def _end(running: tuple[Service, subprocess.Popen[bytes]]) -> None:
    service, process = running
    if process.poll() is None:
        end(psutil.Process(process.pid), service.polite)


def clear_away(place: Place, run: Path) -> None:
    """End what outlived its service, and remove everything but the logs."""
    kill(marked(run))
    shutil.rmtree(run, ignore_errors=True)
    shutil.rmtree(place.root / "secrets", ignore_errors=True)
    for file in (place.env, place.state):
        file.unlink(missing_ok=True)


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """FOLDER KINDS WORKERS CPUS MORTAL, as `__main__.py` gives them."""
    folder, kinds, workers, cpus, mortal = arguments
    place, wish = Place(Path(folder)), Wish(tuple(kinds.split(",")), int(workers), int(cpus), mortal == "True")
    lock = place.lock()
    if lock is None:
        return 3
    with lock:
        return Supervisor(place, wish).serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
