"""LDA similarity of CIFAR's size: 50,000 images of 3,072 pixels in 100 classes, by scikit-learn and by us.

    python -m benchmarks.similarity --cifar DIR         DIR holds cifar100.npz or cifar10.npz (x_train, y_train)
    python -m benchmarks.similarity                     images that are made up
    python -m benchmarks.similarity --images 4000       a smoke test

    ours     trainables.similarity: scatter matrix within classes, Cholesky
    sklearn  LinearDiscriminantAnalysis(solver="svd") on float64 pixels: what it replaces

Each way is a fresh process that is given the images as uint8 and makes the target similarity, equation 12 of the MCEL
paper, of them; seconds from the images to the matrix, without imports and reading. `peak` is the largest resident
memory of the process, libraries and images (147 MiB) included. `apart` is the largest difference between the two
matrices, `likeness apart` that between the cosines they are made of.

CIFAR-10's classes are cut into ten each, by k-means on thumbnails of 4x4 pixels: 100 classes on real images.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe_run, headline, write_json

NUM_CLASSES = 100

Row = dict[str, Any]


def read_images(folder: Path | None, count: int) -> tuple[str, np.ndarray, np.ndarray]:
    """What they are, images uint8 `[N, H, W, 3]` and 100 classes of labels `[N]`."""
    if folder is None:
        return "made up", *made_up(count)
    for name in ("cifar100", "cifar10"):
        path = folder / f"{name}.npz"
        if path.is_file():
            with np.load(path) as arrays:
                images, labels = arrays["x_train"], arrays["y_train"].astype(np.int64)
            chosen = np.random.default_rng(0).permutation(len(labels))[:count]
            images, labels = images[chosen], labels[chosen]
            if name == "cifar100":
                return "CIFAR-100", images, labels
            return "CIFAR-10, each class in 10 clusters", images, cut_classes(images, labels)
    raise SystemExit(f"{folder} has neither cifar100.npz nor cifar10.npz with x_train and y_train in it")


def made_up(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images whose neighbouring pixels are alike, 100 classes with means of their own."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(count) % NUM_CLASSES)
    coarse = generator.normal(size=(count, 8, 8, 3)) + 0.5 * generator.normal(size=(NUM_CLASSES, 8, 8, 3))[labels]
    fine = np.repeat(np.repeat(coarse.astype(np.float32), 4, axis=1), 4, axis=2)
    fine += 0.2 * generator.standard_normal(fine.shape, dtype=np.float32)
    return np.clip(128 + 50 * fine, 0, 255).astype(np.uint8), labels


def cut_classes(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Ten classes for each one."""
    from sklearn.cluster import KMeans

    thumbnails = images.reshape(len(images), 4, 8, 4, 8, 3).mean(axis=(2, 4)).reshape(len(images), -1)
    finer = np.empty_like(labels)
    for label in range(10):
        members = labels == label
        clusters = KMeans(10, n_init=1, random_state=0).fit_predict(thumbnails[members])
        finer[members] = 10 * label + clusters
    return finer


def ours(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cosines of the class means among the discriminants, `[C, C]`."""
    from trainables.similarity.lda import lda_likeness

    return lda_likeness(images, labels, NUM_CLASSES)


def by_scikit_learn(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same by scikit-learn."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    pixels = images.reshape(len(images), -1).astype(np.float64)
    pixels = pixels[:, np.ptp(pixels, axis=0) > 0]
    pixels -= pixels.mean(axis=0)
    projected = LinearDiscriminantAnalysis(solver="svd").fit(pixels, labels).transform(pixels)
    means = np.stack([projected[labels == c].mean(axis=0) for c in range(NUM_CLASSES)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means @ means.T)


WAYS = {"ours": ours, "sklearn": by_scikit_learn}


def run_way(way: str, folder: Path) -> None:
    """In a process of its own: one way, its matrix and figures left in `folder`."""
    import sklearn.discriminant_analysis  # noqa: F401  (no import is timed)

    import trainables.similarity.lda  # noqa: F401
    from trainables.similarity.target import target_of_likeness

    images, labels = np.load(folder / "images.npy"), np.load(folder / "labels.npy")
    began = time.perf_counter()
    likeness = WAYS[way](images, labels)
    target = target_of_likeness(likeness, sharpness="logistic")
    seconds = time.perf_counter() - began
    np.savez(folder / f"{way}.npz", likeness=likeness, target=target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    (folder / f"{way}.json").write_text(json.dumps({"seconds": seconds, "peak_gib": peak}))


def measure(folder: Path, repeat: int) -> tuple[dict[str, list[Row]], Row]:
    """All runs of each way, interleaved, and how far their matrices lie apart."""
    runs: dict[str, list[Row]] = {way: [] for way in WAYS}
    for _ in range(repeat):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.similarity", "--way", way, "--folder", str(folder)]
            subprocess.run(command, check=True)
            runs[way].append(json.loads((folder / f"{way}.json").read_text()))
    with np.load(folder / "ours.npz") as mine, np.load(folder / "sklearn.npz") as theirs:
        apart = {name: float(np.abs(mine[name] - theirs[name]).max()) for name in ("target", "likeness")}
    return runs, apart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", type=Path, metavar="DIR", help="folder of cifar100.npz or cifar10.npz")
    parser.add_argument("--images", type=int, default=50_000, metavar="N", help="how many images (default 50,000)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each way (default 1)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the raw results there")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        run_way(args.way, args.folder)
        return
    facts = describe_run()
    print(headline(facts))
    source, images, labels = read_images(args.cifar, args.images)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "images.npy", images)
        np.save(folder / "labels.npy", labels)
        runs, apart = measure(folder, args.repeat)
    best = {way: min(row["seconds"] for row in rows) for way, rows in runs.items()}
    shape = f"{len(images):,} x {images[0].size:,}"
    print(f"\n{source}; {shape}, {NUM_CLASSES} classes; least of {args.repeat} run(s)\n")
    print("| way | seconds | peak GiB |\n|---|---|---|")
    for way, rows in runs.items():
        print(f"| {way} | {best[way]:.1f} | {max(row['peak_gib'] for row in rows):.2f} |")
    ratio = best["sklearn"] / best["ours"]
    print(f"\n{ratio:.1f} times as fast; apart {apart['target']:.1e}, likeness apart {apart['likeness']:.1e}")
    write_json(args.json, {**facts, "images": source, "shape": shape, "runs": runs, "ratio": ratio, "apart": apart})


if __name__ == "__main__":
    main()
