"""A folder that may lie elsewhere: on a file system that machines share, or in a bucket of an S3 server."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

DRAFT = ".draft-"
BLOCK = 8 * 2**20  # bytes that are held at once of a file that is fetched
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # as Amazon's own tools read them, and pyarrow does not


@dataclass(frozen=True)
class Storage:
    """The folder at `uri`: an absolute path, or `s3://BUCKET/FOLDER`, whose bucket is there.

    A file in it is whole or not there. Credentials of an S3 server come from the environment or from Amazon's own
    files, its address where it is not Amazon's from `AWS_ENDPOINT_URL`. Every method raises OSError where the folder
    cannot be reached, and FileNotFoundError for a file that is not there.
    """

    uri: str

    def __post_init__(self) -> None:
        """ValueError where `uri` is neither."""
        parts = urlsplit(self.uri)
        if parts.scheme == "s3" and parts.netloc:
            if "@" in parts.netloc:
                raise ValueError(
                    f"s3://...@{parts.hostname}: credentials in an address end up in files; set AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY"
                )
        elif parts.scheme or not Path(self.uri).is_absolute():
            raise ValueError(f"'{self.uri}' is no place to keep a study; give an absolute path, or s3://BUCKET/FOLDER")

    def below(self, *names: str) -> Storage:
        """A folder in it."""
        parts = urlsplit(self.uri)
        return Storage(urlunsplit(parts._replace(path="/".join([parts.path.rstrip("/"), *names]))))

    def read(self, name: str) -> bytes:
        """What a file holds."""
        with self._reached() as (system, folder), system.open_input_stream(f"{folder}/{name}") as file:
            return bytes(file.read())

    def write(self, name: str, data: bytes) -> None:
        """Make a file, or replace it."""
        with self._reached() as (system, folder):
            path = f"{folder}/{name}"
            if not self.is_shared_path:
                with system.open_output_stream(path) as file:
                    file.write(data)
                return
            system.create_dir(path.rpartition("/")[0], recursive=True)
            draft = f"{folder}/{DRAFT}{secrets.token_hex(6)}"
            with system.open_output_stream(draft) as file:
                file.write(data)
            system.move(draft, path)

    def names(self) -> list[str]:
        """The files right in it; none where it is not there."""
        from pyarrow.fs import FileSelector, FileType

        with self._reached() as (system, folder):
            found = system.get_file_info(FileSelector(folder, allow_not_found=True))
            files = (info.base_name for info in found if info.type == FileType.File)
            return sorted(name for name in files if not name.startswith(DRAFT))

    def listing(self) -> dict[str, list[float]]:
        """Size in bytes and time of change of each file below it, by its path in it; none where it is not there."""
        from pyarrow.fs import FileSelector, FileType

        with self._reached() as (system, folder):
            found = system.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
            files = (info for info in found if info.type == FileType.File and not info.base_name.startswith(DRAFT))
            return {info.path[len(folder) + 1 :]: [info.size, info.mtime_ns] for info in files}

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file, of any size, to this machine; whole or not at all."""
        if ".." in Path(name).parts:
            raise OSError(f"'{name}' leads out of its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{DRAFT}{secrets.token_hex(6)}")
        try:
            with (
                self._reached() as (system, folder),
                system.open_input_stream(f"{folder}/{name}") as file,
                draft.open("wb") as out,
            ):
                while block := file.read(BLOCK):
                    out.write(block)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)

    def folders(self) -> list[str]:
        """The folders right in it; none where it is not there."""
        from pyarrow.fs import FileSelector, FileType

        with self._reached() as (system, folder):
            found = system.get_file_info(FileSelector(folder, allow_not_found=True))
            return sorted(info.base_name for info in found if info.type == FileType.Directory)

    def modified(self, name: str) -> float:
        """When a file was written, in seconds by the clock of the place it lies in."""
        from pyarrow.fs import FileType

        with self._reached() as (system, folder):
            info = system.get_file_info(f"{folder}/{name}")
            if info.type != FileType.File:
                raise FileNotFoundError(f"{folder}/{name}")
            return float(info.mtime_ns) / 1e9

    def remove(self, name: str) -> None:
        """Remove a file; nothing where it is gone already."""
        with self._reached() as (system, folder):
            try:
                system.delete_file(f"{folder}/{name}")
            except FileNotFoundError:
                return

    def remove_all(self) -> None:
        """Remove the folder with all that is in it; nothing where it is gone already."""
        with self._reached() as (system, folder):
            try:
                system.delete_dir(folder)
            except FileNotFoundError:
                return

    @property
    def is_shared_path(self) -> bool:
        """Whether it lies on a file system."""
        return not urlsplit(self.uri).scheme

    @cached_property
    def _place(self) -> tuple[Any, str]:
        from pyarrow.fs import FileSystem

        system, folder = FileSystem.from_uri(_with_endpoint(self.uri))
        return system, folder.rstrip("/")

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """The file system and the folder's path in it; whatever pyarrow raises becomes an OSError."""
        from pyarrow.lib import ArrowException

        try:
            yield self._place
        except ArrowException as problem:
            if isinstance(problem, OSError):
                raise
            raise OSError(str(problem)) from None


def _with_endpoint(uri: str) -> str:
    """The address as pyarrow takes it, with the server's where the environment names one."""
    parts = urlsplit(uri)
    given = dict(parse_qsl(parts.query))
    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    if parts.scheme and endpoint and "endpoint_override" not in given:
        server = urlsplit(endpoint)
        given |= {"endpoint_override": server.netloc, "scheme": server.scheme}
        parts = parts._replace(query=urlencode(given))
    return urlunsplit(parts)
