"""Runs the RUN steps of the Dockerfile in a bare root file system, where there is no docker engine.

    debootstrap --variant=minbase --include=python3.11-venv,python3-pip,ca-certificates bookworm ROOT
    python -m tests.docker.run_steps ROOT --target cpu

All stages of the target run one after the other in the same root, in place of a root each, so a COPY from a stage to
the same path is nothing to do. ROOT needs `python` (a link to python3), which the base image has. Needs root.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.docker.dockerfile import ROOT, Instruction, needed, read


def copy(step: Instruction, root: Path, folder: str) -> None:
    """Do a COPY from the repository."""
    *sources, target = step.files
    place = root / str(Path(folder, target)).lstrip("/")
    for source in sources:
        found = ROOT / source
        if found.is_dir():
            shutil.copytree(found, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            into = place / found.name if target.endswith("/") else place
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, into)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    asked = parser.parse_args()
    given = dict(each.split("=", 1) for each in asked.build_arg)
    begin = ("/", {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"})
    left: dict[str, tuple[str, dict[str, str]]] = {}  # folder and environment that each stage leaves behind
    for stage in needed(read(), asked.target):
        folder, variables = left.get(stage.base, begin)
        variables, arguments = dict(variables), {}
        for step in stage.instructions:
            if step.name == "ENV":
                for word in shlex.split(step.rest):
                    name, value = word.split("=", 1)
                    variables[name] = value.replace("$PATH", variables["PATH"])
            elif step.name == "ARG":
                name, value = step.rest.split("=", 1)
                arguments[name] = given.get(name, value)
            elif step.name == "WORKDIR":
                folder = step.rest
                (asked.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif step.name == "COPY" and step.source_stage is None:
                copy(step, asked.root, folder)
            elif step.name == "RUN":
                began = time.monotonic()
                sys.stdout.write(f"[{stage.name}] {re.sub(r' +', ' ', step.command)}\n")
                sys.stdout.flush()
                subprocess.run(
                    [
                        str(shutil.which("chroot")),
                        asked.root,
                        "/bin/sh",
                        "-c",
                        f"cd {shlex.quote(folder)} && {step.command}",
                    ],
                    env={**variables, **arguments},
                    check=True,
                )
                sys.stdout.write(f"[{stage.name}] done in {time.monotonic() - began:.0f} s\n")
        left[stage.name] = folder, variables


if __name__ == "__main__":
    main()
