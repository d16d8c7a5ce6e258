"""Folders of image files: layouts, sizes, streaming, and every way in which they can be wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from trainables.data.datasets import Images, load_pool, load_test
from trainables.data.datasets.image_files import Crop, ImageFiles, decode, relative_bytes
from trainables.data.fixtures import write_synthetic
from trainables.data.task import TaskData, load_task


def read(root: Path, cache: Path, **options: object) -> tuple[Images, Images]:
    dataset = {"name": "image_folder", "root": str(root), **options}
    return load_pool(dataset, cache), load_test(dataset, cache)


def test_one_folder_of_classes_is_split_into_four_fifths_and_a_fifth_of_every_class(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    pool, test = read(written("image_folder", layout="one"), tmp_path)
    assert np.bincount(pool.labels).tolist() == [8] * 4
    assert np.bincount(test.labels).tolist() == [2] * 4
    assert len({image.tobytes() for part in (pool, test) for image in part.images}) == 40  # none in both


def test_a_validation_folder_becomes_the_validation_part_of_the_pool(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    pool, test = read(written("image_folder", layout="train_val_test"), tmp_path)
    assert pool.val_index is not None
    assert (len(pool.labels), pool.val_index.tolist(), len(test.labels)) == (48, list(range(40, 48)), 8)


def test_a_limit_cuts_training_and_validation_part_alike(written: Callable[..., Path], tmp_path: Path) -> None:
    pool, _ = read(written("image_folder", layout="train_val_test"), tmp_path, limit=24)
    whole, _ = read(written("image_folder", layout="train_val_test"), tmp_path)
    assert (len(pool.labels), len(pool.val_index)) == (24, 4)
    own_part = {image.tobytes() for image in whole.images[whole.val_index]}
    assert {image.tobytes() for image in pool.images[pool.val_index]} <= own_part


def test_shorter_side_gets_the_size_and_the_centre_is_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    image = decode(tmp_path / "wide.png", Crop(3, 10, 10, 10))
    assert image.shape == (3, 10, 10)
    assert (image[:, :, 1:9] == 200).all()  # the middle third; its borders are smoothed


def test_grey_images_are_one_channel_where_that_is_asked_for(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for shade in range(5):
            Image.fromarray(np.full((4, 4), 10 * shade, np.uint8)).save(tmp_path / "data" / name / f"{shade}.png")
    assert load_pool({"name": "image_folder", "root": str(tmp_path / "data")}, tmp_path).image_shape == (3, 4, 4)
    grey = load_pool({"name": "image_folder", "root": str(tmp_path / "data"), "channels": 1}, tmp_path)
    assert grey.image_shape == (1, 4, 4)
    assert set(np.unique(grey.images)) <= {0, 10, 20, 30, 40}


def test_streamed_images_are_those_that_would_be_kept(written: Callable[..., Path], tmp_path: Path) -> None:
    root = written("image_folder")
    kept, _ = read(root, tmp_path, size=12)
    streamed, _ = read(root, tmp_path, size=12, streamed=True)
    assert (streamed.streamed, kept.streamed) == (True, False)
    assert streamed.images.shape == kept.images.shape
    assert len(streamed.images) == 40
    np.testing.assert_array_equal(streamed.images[:], kept.images)
    np.testing.assert_array_equal(streamed.images[np.array([7, 3])], kept.images[[7, 3]])
    np.testing.assert_array_equal(streamed.images[5], kept.images[5])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(streamed.images))[[0]], kept.images[[0]])


class Rows:
    """Streamed images as torch's DataLoader wants them."""

    def __init__(self, part: Images) -> None:
        self.part = part

    def __len__(self) -> int:
        return len(self.part.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.part.images[index], int(self.part.labels[index])


def test_a_data_loader_with_workers_streams_imagenet(written: Callable[..., Path], tmp_path: Path) -> None:
    pool = load_pool({"name": "imagenet", "root": str(written("imagenet"))}, tmp_path)
    assert pool.streamed
    assert pool.image_shape == (3, 224, 224)
    batches = list(DataLoader(Rows(pool), batch_size=16, num_workers=2))
    assert [batch[0].shape[0] for batch in batches] == [16, 16, 8]
    np.testing.assert_array_equal(batches[2][0][7], pool.images[39])


def test_a_streamed_set_is_found_again_by_its_digest_and_its_files_are_not_copied(tmp_path: Path) -> None:
    root = write_synthetic("imagenet", tmp_path / "data", images_per_class=3)
    dataset = {"name": "imagenet", "root": str(root)}
    first = load_pool(dataset, tmp_path / "cache")
    again = load_pool(dataset | {"digest": first.digest}, tmp_path / "cache")
    np.testing.assert_array_equal(first.images[0], again.images[0])
    assert sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*")) < 40_000


def shades(root: Path, *, seed: int, files: int = 6) -> Path:
    """Two classes of uncompressed images: of any seed, names and sizes are the same."""
    generator = np.random.default_rng(seed)
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for index in range(files):
            pixels = generator.integers(0, 256, (6, 6, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index:03}.ppm")
    return root


def streamed_task(root: Path, cache: Path) -> TaskData:
    dataset = {"name": "image_folder", "root": str(root), "size": 6, "streamed": True}
    return load_task(dataset, {"holdout": 0.5, "seed": 0}, {"kind": "none"}, cache)


def test_streamed_files_of_the_same_names_and_sizes_are_told_apart_by_their_pixels(tmp_path: Path) -> None:
    one, copy, other = (shades(tmp_path / str(place), seed=seed) for place, seed in enumerate((1, 1, 2)))
    task, of_copy, of_other = (streamed_task(root, tmp_path / "cache") for root in (one, copy, other))
    assert task.pool.digest == of_copy.pool.digest != of_other.pool.digest
    assert (task.pixel_statistics[0] != of_other.pixel_statistics[0]).any()


def test_of_many_streamed_files_a_sample_is_read_the_last_bytes_of_the_last_file_too(tmp_path: Path) -> None:
    for path, content in ((file, b"." * 20_000) for file in (tmp_path / f"{index:03}.png" for index in range(600))):
        path.write_bytes(content)
    paths = relative_bytes(tmp_path, sorted(tmp_path.glob("*.png")))
    files = ImageFiles(tmp_path, paths, Crop(3, 6, 6, 6))
    before = files.digest()
    (tmp_path / "599.png").write_bytes(b"." * 10_000 + b"!" + b"." * 9_999)
    assert files.digest() == before  # the middle of a file is not read
    (tmp_path / "001.png").write_bytes(b"!" * 20_000)
    assert files.digest() == before  # nor is every file
    (tmp_path / "599.png").write_bytes(b"." * 19_999 + b"!")
    assert files.digest() != before


@pytest.mark.parametrize(("kind", "mode"), [(np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F")])
def test_pixels_of_more_than_8_bits_are_refused_and_not_clipped(kind: type, mode: str, tmp_path: Path) -> None:
    ending = "png" if mode == "I;16" else "tiff"
    Image.fromarray(np.full((4, 4), 40_000, kind)).save(tmp_path / f"deep.{ending}")
    with pytest.raises(ValueError, match=rf"deep\.{ending}: its pixels have more than 8 bits .*; convert it to 8 bits"):
        decode(tmp_path / f"deep.{ending}", Crop(3, 4, 4, None))


WRONG = {
    "empty class": (lambda root: (root / "train" / "n1").mkdir(), {}, r"train/n1: a class without images"),
    "corrupt image": (
        lambda root: next((root / "train").rglob("*.png")).write_bytes(b"\x89PNG no"),
        {},
        r"\.png: not a readable image",
    ),
    "truncated image": (
        lambda root: (file := next((root / "train").rglob("*.png"))).write_bytes(file.read_bytes()[:300]),
        {"size": 8},
        r"\.png: a damaged image",
    ),
    "mixed sizes": (
        lambda root: Image.new("RGB", (9, 30)).save(root / "train" / "n00000001" / "zz.png"),
        {},
        r"zz\.png: 9x30 pixels, others have 16x16; give a size for all, as in size: 16",
    ),
    "streamed without a size": (lambda root: None, {"streamed": True}, "need a size, as in size: 224"),
    "resize below size": (lambda root: None, {"size": 16, "resize": 8}, "resize = 8 is less than size = 16"),
    "two channels": (lambda root: None, {"channels": 2}, "channels = 2 is not one of 3, 1"),
    "size of zero": (lambda root: None, {"size": 0}, "size = 0 is not a whole number of at least 1"),
    "streamed maybe": (lambda root: None, {"streamed": "maybe"}, "streamed = 'maybe' is neither true nor false"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_folder_is_named(wrong: str, tmp_path: Path) -> None:
    root = write_synthetic("image_folder", tmp_path / "data", images_per_class=3)
    damage, options, expected = WRONG[wrong]
    damage(root)
    with pytest.raises(ValueError, match=expected):
        load_pool({"name": "image_folder", "root": str(root), **options}, tmp_path)


def test_a_class_of_the_test_set_that_training_does_not_have_is_named(tmp_path: Path) -> None:
    root = write_synthetic("image_folder", tmp_path / "data", images_per_class=3)
    (root / "test" / "n00000001").rename(root / "test" / "other")
    with pytest.raises(ValueError, match=r"test/other: no class of that name is in .*train; remove it"):
        read(root, tmp_path)


def test_a_folder_without_class_folders_and_one_with_a_single_class_are_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match="no folders in it; images lie in one folder per class"):
        read(tmp_path / "data", tmp_path)
    (tmp_path / "data" / "only").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "data" / "only" / "a.png")
    with pytest.raises(ValueError, match="one class, 'only'; a classifier needs at least 2"):
        read(tmp_path / "data", tmp_path)


def test_what_may_not_be_read_is_said_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_synthetic("image_folder", tmp_path / "data", images_per_class=3)

    def forbidden(path: object, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:  # root may read everything, so modes cannot be tested by everyone
        patched.setattr("PIL.Image.open", forbidden)
        with pytest.raises(ValueError, match=r"\.png: not a readable image: Permission denied"):
            read(root, tmp_path)
        patched.setattr("os.scandir", forbidden)
        with pytest.raises(ValueError, match=r"data set 'image_folder': .*train: Permission denied; make it readable"):
            read(root, tmp_path)
