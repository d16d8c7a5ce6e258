"""The files of a stack, in a folder of the user's and in one for what must have a short path."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Place:
    """The folder of a stack."""

    root: Path

    @property
    def env(self) -> Path:
        """Addresses and credentials, for a shell; it exists while all services answer."""
        return self.root / "env"

    @property
    def failure(self) -> Path:
        """Why the stack ended by itself."""
        return self.root / "failure"

    @property
    def state(self) -> Path:
        """Which processes run."""
        return self.root / "state.json"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def secret(self, name: str) -> Path:
        return self.root / "secrets" / name

    def make(self) -> None:
        """Make the folders; others than the user see nothing of them."""
        for folder in (self.root, self.root / "logs", self.root / "secrets"):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    def lock(self) -> IO[str] | None:
        """Hold this open while the stack runs; None where another one does."""
        opened = (self.root / "lock").open("a")
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            opened.close()
            return None
        return opened

    def new_secret(self, name: str) -> str:
        """A secret, in a file of its own too."""
        value = secrets.token_hex(32)
        self.write(self.secret(name), value)
        return value

    def read_state(self) -> dict[str, Any]:
        """Empty where nothing runs."""
        return json.loads(self.state.read_text(encoding="utf-8")) if self.state.exists() else {}

    def write_state(self, state: dict[str, Any]) -> None:
        self.write(self.state, json.dumps(state, indent=2))

    def write_env(self, variables: dict[str, str]) -> None:
        self.write(self.env, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))

    def write(self, path: Path, text: str) -> None:
        """Replace a file by one that its owner alone may read; readers see the old one or the new one."""
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
        fresh.replace(path)

    def last_lines(self, name: str, count: int = 15) -> str:
        """The end of a service's log."""
        log = self.log(name)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return "\n".join(text.splitlines()[-count:])
