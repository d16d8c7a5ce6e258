"""Data sets in a bucket: fetched once, again where they changed, known by their digest."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.spec import DatasetSpec
from tests.s3 import BUCKET, s3_server
from trainables.data.datasets import load_pool, load_test
from trainables.storage import Storage


@pytest.fixture(scope="module")
def server() -> Iterator[Mapping[str, str]]:
    with s3_server() as variables:
        yield variables


@pytest.fixture
def bucket(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Storage:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return Storage(f"s3://{BUCKET}/{tmp_path.name}")


def put(bucket: Storage, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    file = io.BytesIO()
    arrays: dict[str, Any] = {"classes": np.array(["a", "b", "c"])}
    for part in ("train", "test"):
        arrays |= {f"x_{part}": drawn.integers(0, 256, (30, 8, 8), dtype=np.uint8), f"y_{part}": np.arange(30) % 3}
    np.savez(file, **arrays)
    bucket.write("data.npz", file.getvalue())


@pytest.fixture
def described(bucket: Storage) -> dict[str, Any]:
    put(bucket, 0)
    return {"name": "npz", "root": bucket.uri}


def test_images_in_a_bucket_are_those_of_a_folder(described: dict[str, Any], bucket: Storage, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    bucket.fetch("data.npz", tmp_path / "folder" / "data.npz")
    local = described | {"root": str(tmp_path / "folder")}
    for load in (load_pool, load_test):
        there, here = load(described, tmp_path / "a"), load(local, tmp_path / "b")
        assert there.digest == here.digest
        assert np.array_equal(there.images, here.images)


def test_files_are_fetched_once_and_again_where_they_changed(
    described: dict[str, Any], bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    fetch = Storage.fetch
    monkeypatch.setattr(Storage, "fetch", lambda self, name, to: (fetched.append(name), fetch(self, name, to))[1])
    pool = load_pool(described, tmp_path)
    assert fetched == ["data.npz"]
    load_pool(described, tmp_path)
    load_test(described, tmp_path)
    assert fetched == ["data.npz"]
    bucket.write("of no use.txt", b"1")
    load_pool(described, tmp_path)
    assert fetched == ["data.npz", "of no use.txt"]
    bucket.remove("of no use.txt")
    time.sleep(1.1)  # such a server's clock counts seconds
    put(bucket, 2)
    assert load_pool(described, tmp_path).digest != pool.digest
    assert fetched[2:] == ["data.npz"]
    assert not list(tmp_path.rglob("of no use.txt"))


def test_what_was_planned_is_found_without_the_bucket(
    described: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = load_pool(described, tmp_path).digest
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert load_pool(described | {"digest": digest}, tmp_path).digest == digest
    with pytest.raises(ValueError, match=r"s3://.* cannot be read: .*AWS_ENDPOINT_URL"):
        load_pool(described, tmp_path)


def test_other_images_than_were_planned_are_refused(described: dict[str, Any], bucket: Storage, tmp_path: Path) -> None:
    digest = load_pool(described, tmp_path / "head").digest
    put(bucket, 7)
    with pytest.raises(ValueError, match="the data has changed"):
        load_pool(described | {"digest": digest}, tmp_path / "node")


def test_an_empty_folder_is_said_to_be(bucket: Storage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no files; name the bucket and folder"):
        load_pool({"name": "npz", "root": bucket.below("nothing").uri}, tmp_path)


def test_a_name_that_leads_elsewhere_is_not_fetched(bucket: Storage, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="leads out of its folder"):
        bucket.fetch("../x", tmp_path / "x")


def test_a_study_names_a_bucket_as_its_root(described: dict[str, Any], tmp_path: Path) -> None:
    assert DatasetSpec.model_validate(described).described == described
    with pytest.raises(ValueError, match="AWS_ACCESS_KEY_ID"):
        DatasetSpec.model_validate(described | {"root": "s3://me:hush@bucket/x"})
    with pytest.raises(ValueError, match="no folder /nowhere"):
        DatasetSpec.model_validate(described | {"root": Path("/nowhere")})
