"""A launch as its user sees it: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from study.cli.output import duration
from study.results.numbers import counted, format_score
from study.results.selection import cell_results
from study.running.conductor import Conductor

LINE_EVERY_S = 10.0
TABLE_EVERY_S = 0.5
TABLE_SHARE = 0.05  # of the time at the most goes into reading the ledger for the table
LABELS = {"completed": "done", "stopped_early": "stopped early", "diverged": "diverged", "failed": "failed"}


class LaunchProgress:
    """Shows stages, then trials. Reads the ledger, never the trials themselves."""

    def __init__(self, console: Console) -> None:
        self.console, self.started = console, time.monotonic()
        self._stage, self._table_due = "", 0.0
        self._table: RenderableType = Text("")
        self._conductor: Conductor | None = None
        self._done = threading.Event()
        self._live: Live | None = None
        self._thread: threading.Thread | None = None

    def stage(self, text: str) -> None:
        self._stage = text
        if self._live is None:
            self._say(text)

    def _say(self, text: str) -> None:
        self.console.print(f"[dim]{self._elapsed()}[/] {escape(text)}")

    def watch(self, conductor: Conductor) -> None:
        self._conductor, self._stage = conductor, "training"
        conductor.say = self._say
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._view, console=self.console, refresh_per_second=2, transient=True)
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._lines, daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._done.set()
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._thread is not None:
            self._thread.join(1)
        if self._conductor is not None:
            self._stage = "ended"
            self._say(self._summary(self._conductor))
            self._conductor = None

    def _lines(self) -> None:
        while not self._done.wait(LINE_EVERY_S):
            if self._conductor is not None:
                self._say(self._summary(self._conductor))

    def _elapsed(self) -> str:
        return f"{duration(time.monotonic() - self.started):>9}"

    def _summary(self, conductor: Conductor) -> str:
        running, counts = len(conductor.running), conductor.counts
        ended = ", ".join(f"{counts[state]} {label}" for state, label in LABELS.items() if counts[state])
        said = f"{ended or 'no trial ended yet'}, {running} running, {counted(conductor.epochs, 'epoch')}"
        if not running:
            return f"{self._stage}: {said}"
        if conductor.stopping:
            leaving = "saving and leaving; Ctrl-C again leaves at once" if conductor.interrupted else "giving up"
            return f"{leaving}: {said}"
        to_come = counted(conductor.agenda.at_most, "trial")
        return f"{self._stage}: {said}; at most {to_come} to come{self._time_left(conductor)}"

    def _time_left(self, conductor: Conductor) -> str:
        seconds = conductor.pace.seconds(conductor.epochs_to_go)
        return "" if seconds is None else f", {duration(seconds)}"

    def _view(self) -> RenderableType:
        if self._conductor is None:
            return Text(self._stage)
        now = time.monotonic()
        if now >= self._table_due:
            self._table = self._read_table(self._conductor)
            took = time.monotonic() - now
            self._table_due = now + max(TABLE_EVERY_S, took / TABLE_SHARE)
        line = Text(f"{self._elapsed()}  {self._summary(self._conductor)}   Ctrl-C: save and leave")
        return Group(self._table, line)

    def _read_table(self, conductor: Conductor) -> Table:
        table = Table("family", "noise", "config", *LABELS.values(), "running", "best so far", box=None, pad_edge=False)
        running = Counter(todo.cell.key for todo in list(conductor.running.values()))
        for cell in cell_results(conductor.ledger, phase=conductor.agenda.phase):
            best = cell.best
            table.add_row(
                cell.facts["label"],
                cell.facts["noise"],
                str(len(cell.configs)),
                *(str(cell.counts[state] or "") for state in LABELS),
                str(running[cell.key] or ""),
                format_score(best.mean, best.sd, best.n) if best else "",
            )
        return table
