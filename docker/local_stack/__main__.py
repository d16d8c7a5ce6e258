"""local-stack start|stop|status [DIR]"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from local_stack.place import Place
from local_stack.processes import end, find
from local_stack.services import KINDS, Wish, healthy, lacking
from local_stack.supervisor import clear_away

SUPERVISOR_S = 90.0  # in which it ends the services

DESCRIPTION = """\
The services of compose.yaml as processes of this machine, on free ports of 127.0.0.1: Postgres, an S3 server (moto's),
MLflow with basic auth on both, a Ray head with its job server and worker nodes, with token auth. For trying out and for
tests: nothing is kept when it stops but the logs in DIR/logs.

`start` returns when all answer. Then `. DIR/env` sets addresses and credentials (RAY_ADDRESS, RAY_API_SERVER_ADDRESS,
RAY_AUTH_TOKEN_PATH, MLFLOW_TRACKING_URI, MLFLOW_PASSWORD, POSTGRES_URI, AWS_ENDPOINT_URL, ...), and a study runs with
    study launch FILE --address auto --set tracking.uri=$MLFLOW_TRACKING_URI
When one service ends by itself the others are ended; DIR/failure then says which, with the last lines of its log.
"""


def start(place: Place, wish: Wish) -> int:
    """Start a stack and wait until it answers."""
    if state := place.read_state():
        running = find(state["supervisor"])
        what = f"is running (pid {running.pid})" if running else "was killed and may have left processes"
        return _say(f"{place.root}: a stack {what}; docker/local-stack stop {place.root}", 2)
    if absent := lacking(wish.kinds):
        return _say(f"not installed: {', '.join(absent)}; pip install {' '.join(map(repr, absent))}", 2)
    place.make()
    with place.log("stack").open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "local_stack.supervisor", place.root, ",".join(wish.kinds), str(wish.workers),
             str(wish.cpus), str(wish.mortal)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        while not place.env.exists():
            if (code := supervisor.poll()) is not None:
                if code == 3:
                    return _say(f"{place.root}: another stack starts or ends there; try again", 2)
                failure = place.failure.read_text() if place.failure.exists() else place.last_lines("stack")
                return _say(f"the stack did not start: {failure.strip()}", 1)
            time.sleep(0.1)
    except KeyboardInterrupt:
        stop(place)
        return 130
    sys.stdout.write(f"All services answer. Their addresses and credentials:\n  . {place.env}\n")
    return 0


def stop(place: Place) -> int:
    """End a stack, also one whose supervisor was killed."""
    state = place.read_state()
    if not state:
        return _say(f"{place.root}: no stack is running", 0)
    if supervisor := find(state["supervisor"]):
        end(supervisor, patience_s=SUPERVISOR_S)
    for known in reversed(state["services"]):
        if process := find(known):
            end(process)
    clear_away(place, Path(state["run"]))
    sys.stdout.write("Stopped.\n")
    return 0


def status(place: Place) -> int:
    """0 where every service answers, 1 otherwise."""
    state = place.read_state()
    if not state:
        why = place.failure.read_text().strip() if place.failure.exists() else ""
        return _say(f"{place.root}: no stack is running" + (f"; the last one ended: {why}" if why else ""), 1)
    well = []
    for known in state["services"]:
        process = find(known)
        well.append(process is not None and healthy(known["check"]))
        said = "healthy" if well[-1] else ("does not answer" if process else "ended")
        sys.stdout.write(f"{known['name']:<14} {said:<16} pid {known['pid']:<8} {known['check']}\n")
    return 0 if well and all(well) and place.env.exists() else 1


def _say(text: str, code: int) -> int:
    (sys.stderr if code else sys.stdout).write(f"{text}\n")
    return code


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(KINDS)}")
    return kinds


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return int(text)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        "local-stack", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["start", "stop", "status"])
    parser.add_argument("folder", nargs="?", metavar="DIR", type=Path, default=Path(".local-stack"))
    parser.add_argument("--workers", type=_count, default=2, metavar="N", help="Ray worker nodes; 2")
    parser.add_argument("--cpus", type=_count, default=1, metavar="N", help="CPUs that each of them offers; 1")
    parser.add_argument("--services", type=_kinds, default=KINDS, metavar="A,B", help=f"a part of {','.join(KINDS)}")
    parser.add_argument("--mortal-workers", action="store_true", help="the others go on when a worker node ends")
    asked = parser.parse_intermixed_args()
    place = Place(asked.folder.absolute())
    if asked.what == "start":
        return start(place, Wish(asked.services, asked.workers, asked.cpus, asked.mortal_workers))
    return stop(place) if asked.what == "stop" else status(place)


if __name__ == "__main__":
    sys.exit(main())
