"""Disks that are full, or read-only: a study pauses with a sentence, and goes on once there is room.

In these rows recovery begins when there is room, or the disk can be written again.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from study.records.ledger import Ledger
from tests.faults.conftest import Disturbed, wait_until
from trainables.engine.checkpoint import read_checkpoint, write_checkpoint
from trainables.engine.lane import LaneState

GROUP = "Disks (back at work: from when they can be written again)"
MIB = 1 << 20
NUM_TOLD = 10  # trials: ce has one config, the other family four, at each of two noise rates
GOES_ON = "the same command goes on"
pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow


@dataclass(frozen=True)
class Disk:
    """A file system of its own, in memory, at `root`."""

    root: Path

    @property
    def ballast(self) -> Path:
        return self.root / "ballast"

    def fill(self) -> None:
        """Leave no byte."""
        with self.ballast.open("ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                with suppress(OSError):
                    while file.write(b"\1" * size) == size:
                        pass

    def make_room(self) -> None:
        """Give back what was filled."""
        self.ballast.unlink()

    def remount(self, options: str) -> bool:
        """Mount it again with other options; whether that went, which it does not while a file is being written."""
        done = subprocess.run(["mount", "-o", f"remount,{options}", str(self.root)], capture_output=True, check=False)
        return done.returncode == 0


@contextmanager
def mounted(root: Path, size: int = 48) -> Iterator[Disk]:
    """A disk of so many MiB; the test is skipped where none can be mounted."""
    root.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(root)], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("there is no 'mount' here")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], capture_output=True, check=True)


def pauses(disturbed: Disturbed, running: subprocess.Popen[str]) -> str:
    """What a launch said that ended by itself because it could not write."""
    said, problems = running.communicate(timeout=300)
    assert running.returncode in (1, 2), said + problems
    assert "Traceback" not in said + problems
    together = " ".join((said + problems).split())
    assert GOES_ON in together
    return together


def assert_checkpoints_are_whole(disturbed: Disturbed) -> None:
    """Every trial that has ended or was interrupted has a last checkpoint that verifies."""
    paths = disturbed.place.home / "tiny" / "checkpoints"
    found = [folder for folder in paths.iterdir() if (folder / "manifest.json").exists()]
    assert found
    for folder in found:
        restored = read_checkpoint(folder, folder.name)
        assert restored is not None
        assert not restored.warnings
    kept = {folder.name for folder in found}
    assert {key for (key,) in disturbed.place.rows("select trial_key from trials where state = 'completed'")} <= kept


def mid_study(disturbed: Disturbed) -> bool:
    return disturbed.ended() >= 2 and disturbed.under_way() > 0


@slow
def test_a_full_home_pauses_the_study_refuses_the_next_launch_and_goes_on_with_room(disturbed: Disturbed) -> None:
    place = disturbed.place
    with mounted(place.home) as disk:
        running = disturbed.launch_until(lambda: mid_study(disturbed))
        disk.fill()
        pauses(disturbed, running)
        assert_checkpoints_are_whole(disturbed)
        assert place.json("status", "tiny")["running"] is None
        before = set(place.rows("select trial_key, epoch, metrics from reports"))
        refused = place.run("launch", "tiny.yaml", expect=2).stderr
        assert "full" in refused or "No space left on device" in refused
        assert len(refused.splitlines()) == 1
        disk.make_room()
        disturbed.strike()
        disturbed.launch_to_the_end()
        place.run("sync", "tiny")
        disturbed.assert_like_calm()
        assert before <= set(place.rows("select trial_key, epoch, metrics from reports"))
        disturbed.keep(
            GROUP, "the studies' home full", "the study pauses with a sentence; every last checkpoint is whole; "
            "launching again without room is refused in a line, with room it goes on",
        )  # fmt: skip


@slow
def test_a_full_disk_of_the_ledger_alone_pauses_the_study_too(disturbed: Disturbed) -> None:
    place = disturbed.place
    with mounted(place.home / "tiny") as disk, mounted(place.home / "tiny" / "checkpoints"):
        running = disturbed.launch_until(lambda: mid_study(disturbed))
        disk.fill()
        sentence = pauses(disturbed, running)
        assert f"{place.home}/tiny/ledger.db: database or disk is full" in sentence
        assert_checkpoints_are_whole(disturbed)
        disk.make_room()
        disturbed.strike()
        disturbed.launch_to_the_end()
        place.run("sync", "tiny")
        disturbed.assert_like_calm()
        disturbed.keep(
            GROUP, "the ledger's disk alone full", "the study pauses with a sentence that names the ledger; every last "
            "checkpoint is whole; with room the same command goes on",
        )  # fmt: skip


@slow
def test_a_full_disk_of_what_proposers_were_told_pauses_the_study_too(disturbed: Disturbed) -> None:
    place = disturbed.place
    grid = "{alpha: {grid: [0.5, 1.5]}}"
    study = (place.root / "tiny.yaml").read_text().replace(grid, "{alpha: {uniform: [0.5, 1.5]}}")
    place.write(study.replace("search: {name: grid, repeats: 2}", "search: {name: tpe, configs: 4}"))
    with mounted(place.root / "disk", size=1) as disk:
        journal = place.home / "tiny" / "search.journal"
        journal.parent.mkdir(parents=True)
        journal.symlink_to(disk.root / "journal")
        running = disturbed.launch_until(lambda: mid_study(disturbed))
        disk.fill()
        assert f"{journal}: No space left on device" in pauses(disturbed, running)
        assert running.returncode == 2
        assert_checkpoints_are_whole(disturbed)
        refused = place.run("launch", "tiny.yaml", expect=2).stderr
        assert "No space left on device" in refused
        assert len(refused.splitlines()) == 1
        disk.make_room()
        disturbed.strike()
        disturbed.launch_to_the_end()
        assert place.rows("select state, count(*) from trials group by 1") == [("completed", NUM_TOLD)]
        place.run("sync", "tiny")
        disturbed.assert_shown_once()
        disturbed.keep(
            GROUP, "the disk of what proposers were told alone full", "the study pauses with a sentence that names "
            "the file; every last checkpoint is whole; with room the same command goes on",
        )  # fmt: skip


def turn_read_only(disk: Disk) -> None:
    wait_until(lambda: disk.remount("ro"))


def turn_writable(disk: Disk) -> None:
    assert disk.remount("rw")


@slow
@pytest.mark.parametrize(
    ("harm", "mend", "said", "fault"),
    [
        (Disk.fill, Disk.make_room, "No space left on device", "checkpoints' disk alone full"),
        (turn_read_only, turn_writable, "Read-only file system", "checkpoints' disk remounted read-only"),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_takes_no_checkpoint_pauses_the_study(
    harm: Callable[[Disk], None], mend: Callable[[Disk], None], said: str, fault: str, disturbed: Disturbed
) -> None:
    """No system lets go of a file that is open for writing, as a ledger is: only checkpoints' turns read-only."""
    checkpoints = disturbed.place.home / "tiny" / "checkpoints"
    with mounted(checkpoints) as disk:
        running = disturbed.launch_until(lambda: mid_study(disturbed))
        harm(disk)
        sentence = pauses(disturbed, running)
        assert said in sentence
        assert str(checkpoints) in sentence
        assert_checkpoints_are_whole(disturbed)
        mend(disk)
        disturbed.strike()
        disturbed.launch_to_the_end()
        disturbed.assert_like_calm()
        disturbed.keep(
            GROUP, fault, "the study pauses with a sentence that names the folder; every last checkpoint is whole; "
            "once it can be written the same command goes on",
        )  # fmt: skip


@slow
def test_a_home_that_is_read_only_refuses_a_launch_in_a_line_and_still_tells(disturbed: Disturbed) -> None:
    place = disturbed.place
    with mounted(place.home) as disk:
        running = disturbed.launch_until(lambda: mid_study(disturbed))
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=200)
        assert running.returncode == 130
        wait_until(lambda: disk.remount("ro"))
        refused = place.run("launch", "tiny.yaml", expect=2).stderr
        assert f"{place.home}: cannot be written" in refused
        assert len(refused.splitlines()) == 1
        assert place.json("status", "tiny")["running"] is None
        assert disk.remount("rw")
        disturbed.strike()
        disturbed.launch_to_the_end()
        disturbed.assert_like_calm()
        disturbed.keep(
            GROUP, "the studies' home is read-only when a study is launched again", "refused in a line, and `study "
            "status` answers; once it can be written the same command goes on",
        )  # fmt: skip


def state_at(epoch: int) -> LaneState:
    weights = {"network.weight": torch.full((50_000,), float(epoch))}
    return LaneState(epoch, weights, weights, epoch, 0.5, [{"val_loss": 1.0}] * epoch)


def test_a_checkpoint_that_found_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", size=2) as disk:
        write_checkpoint(disk.root / "a", "a", state_at(1))
        disk.fill()
        with pytest.raises(OSError, match="No space left on device"):
            write_checkpoint(disk.root / "a", "a", state_at(2))
        restored = read_checkpoint(disk.root / "a", "a")
        assert restored is not None
        assert (restored.state.epoch, restored.warnings) == (1, ())
        disk.make_room()
        write_checkpoint(disk.root / "a", "a", state_at(2))
        restored = read_checkpoint(disk.root / "a", "a")
        assert restored is not None
        assert restored.state.epoch == 2


def test_a_ledger_that_found_no_room_has_every_report_before_whole_and_takes_the_next(tmp_path: Path) -> None:
    monitor = "val_accuracy_noisy"

    def report(ledger: Ledger, epoch: int) -> None:
        reports = [{"epoch": epoch, monitor: 0.5, "seconds": 1.0, "padding": 1 / 3}]
        ledger.record_result("t", {"reports": reports, "epoch": epoch, "best_epoch": 1, "facts": {}}, monitor)

    with mounted(tmp_path / "disk", size=2) as disk:
        with Ledger(disk.root / "ledger.db", write=True) as ledger:
            ledger.record_trials([("t", "c", 0, {})])
            report(ledger, 1)
            disk.fill()
            epochs = iter(range(2, 10_000))  # some fit into the page that is begun
            with pytest.raises(sqlite3.OperationalError, match="full"):
                all(report(ledger, epoch) is None for epoch in epochs)
            written = next(epochs) - 2
            assert ledger.failure == "database or disk is full"
        with Ledger(disk.root / "ledger.db") as reader:
            assert len(reader.reports("t")) == reader.trials()["t"].epoch == written
        disk.make_room()
        with Ledger(disk.root / "ledger.db", write=True) as ledger:
            report(ledger, written + 1)
            assert len(ledger.reports("t")) == written + 1
