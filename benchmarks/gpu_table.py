"""The tables of a GPU's figures from its raw results, as README.md shows them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

NOT_MEASURED = "not measured"
TERA, MEGA = 1e12, 1e6
PEAKS = {"H200": (989.0, 4.8), "H100": (989.0, 3.35), "A100": (312.0, 2.0)}  # bf16 TFLOP/s, TB/s, as makers state them
WIDE_FLOP = 6 * 5.2e9  # of training on one image: three times the multiply-adds of WRN-28-10's forward pass
RESNET_OUTPUTS = 7 * 16 * 32 * 32 + 6 * 32 * 16 * 16 + 6 * 64 * 8 * 8  # numbers that ResNet-20's convolutions give
CROSSINGS = 8  # of memory by each: written, read and written by normalisation, read; its gradient likewise
BYTES = 2  # of a bfloat16
RESNET_BYTES = RESNET_OUTPUTS * CROSSINGS * BYTES
EAGER = ("eager", "channels last", "channels last tuned")
LONE = (*EAGER, "eager float32", "graph", "graph tuned")
PROCESSES = ("processes", "processes graph")
TIMES_EAGER, STRETCH, WIDE_SHARE = 8.0, 500_000, 0.4


def pace(row: Row) -> float:
    """Training images per second of all lanes together, in the median epoch."""
    return float(row["images"] / statistics.median(row["seconds"]))


def tables(documents: Mapping[str, Row]) -> str:
    """All tables, and which goals are met."""
    rows = {name: document["rows"] for name, document in documents.items()}
    facts = next((document["facts"] for document in documents.values() if "facts" in document), {"gpu": "none"})
    limits = ceilings(rows["ceilings"], facts["gpu"])
    parts = [
        "Checks\n\n" + checks(rows["checks"]),
        "ResNet-20, batches of 128\n\n" + lanes(rows["lanes"], "resnet", limits[1]),
        "WRN-28-10, batches of 128\n\n" + lanes(rows["lanes"], "wide", limits[1]),
        goals(rows["lanes"], limits),
        "Losses, ratios to F.cross_entropy\n\n" + losses(rows["losses"]),
        "Kernels of three steps\n\n" + kernels(rows["profile"]),
        "Images on their way into a network\n\n" + pipeline(rows["pipeline"]),
    ]
    return "\n\n".join(parts)


def ceilings(rows: Sequence[Row], gpu: str) -> tuple[float, float]:
    """FLOP/s and bytes/s that the GPU reaches: as its maker states them, else as measured, else 0."""
    stated = next((peak for name, peak in PEAKS.items() if name in gpu), None)
    if stated:
        return stated[0] * TERA, stated[1] * TERA
    measured = {row.get("ceiling"): row for row in rows}
    return (
        float(measured.get("product", {}).get("flop_per_s", 0.0)),
        float(measured.get("copy", {}).get("bytes_per_s", 0.0)),
    )


def checks(rows: Sequence[Row]) -> str:
    """Each check with its error and its bound."""
    lines = ["| check | error | bound | |", "|---|---|---|---|"]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['check']} | | | failed: {row['failed']} |")
        else:
            said = "passed" if row["passed"] else "NOT PASSED"
            lines.append(f"| {row['check']} | {row['error']:.1e} | {row['bound']:.1e} | {said} |")
    return "\n".join(lines) if rows else NOT_MEASURED


def lanes(rows: Sequence[Row], workload: str, bandwidth: float) -> str:
    """Images per second of each technique and number of lanes, in the order of both."""
    rows = sorted((row for row in rows if row["workload"] == workload), key=_order)
    if not rows:
        return NOT_MEASURED
    base = max((pace(row) for row in measured(rows) if row["technique"] in EAGER), default=0.0)
    lines = [
        "| technique | lanes | images/s | spread | x eager | share of bandwidth | peak GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        head = f"| {row['technique']} | {row['lanes']} |"
        if "failed" in row:
            lines.append(f"{head} failed: {row['failed']} | | | | |")
            continue
        spread = (max(row["seconds"]) - min(row["seconds"])) / statistics.median(row["seconds"])
        times = f"{pace(row) / base:.2f}" if base else ""
        share = f"{pace(row) * RESNET_BYTES / bandwidth:.0%}" if bandwidth and workload == "resnet" else ""
        memory = f"{row['peak_bytes'] / 2**30:.1f}" if "peak_bytes" in row else ""
        lines.append(f"{head} {pace(row):,.0f} | {spread:.0%} | {times} | {share} | {memory} |")
    return "\n".join(lines)


def goals(rows: Sequence[Row], limits: tuple[float, float]) -> str:
    """Each goal, and what was reached."""
    narrow = measured([row for row in rows if row["workload"] == "resnet"])
    wide = measured([row for row in rows if row["workload"] == "wide"])
    fused = [row for row in narrow if row["technique"] not in (*LONE, *PROCESSES)]
    if not fused:
        best = NOT_MEASURED
    else:
        winner = max(fused, key=pace)
        best = f"{pace(winner):,.0f} images/s by {winner['technique']}, {winner['lanes']} lanes"
    lines = [f"- Best of many: {best}."]
    for goal, techniques, times in (
        ("8 times eager single", EAGER, TIMES_EAGER),
        ("ahead of the CUDA graph single", ("graph", "graph tuned"), 1.0),
        ("ahead of N processes at every N", PROCESSES, 1.0),
    ):
        against = [row for row in narrow if row["technique"] in techniques]
        if not fused or not against:
            lines.append(f"- {goal}: {NOT_MEASURED}.")
        else:
            ratio = pace(winner) / max(map(pace, against))
            lines.append(f"- {goal}: {'reached' if ratio >= times else 'MISSED'}, {ratio:.2f} times.")
    if fused:
        reached = "reached" if pace(winner) >= STRETCH else "not reached"
        lines.append(f"- The stretch of {STRETCH:,} images/s: {reached}.")
    if wide and limits[0]:
        share = max(map(pace, wide)) * WIDE_FLOP / limits[0]
        said = "reached" if share >= WIDE_SHARE else "MISSED"
        lines.append(
            f"- WRN-28-10, 40 % of the arithmetic peak of {limits[0] / TERA:.0f} TFLOP/s: {said}, {share:.0%}."
        )
    else:
        lines.append(f"- WRN-28-10, 40 % of the arithmetic peak: {NOT_MEASURED}.")
    return "\n".join(lines)


def losses(rows: Sequence[Row]) -> str:
    """Ratios of every loss, a column for each size."""
    columns = measured(rows)
    if not columns:
        return NOT_MEASURED
    names = list(columns[0]["ratios"])[1:]  # cross entropy against itself comes first
    lines = [
        "| loss | " + " | ".join(f"{each['batch']} x {each['classes']}" for each in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    lines += [f"| {name} | " + " | ".join(f"{each['ratios'][name]:.2f}" for each in columns) + " |" for name in names]
    return "\n".join(lines)


def kernels(rows: Sequence[Row]) -> str:
    """What takes most of the time."""
    rows = measured(rows)
    if not rows:
        return NOT_MEASURED
    lines = ["| technique | lanes | share | calls | kernel |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['technique']} | {row['lanes']} | {row['share']:.0%} | {row['calls']} | `{row['kernel'][:80]}` |"
        for row in rows
    ]
    return "\n".join(lines)


def pipeline(rows: Sequence[Row]) -> str:
    """Images per second of ours and of a DataLoader."""
    lines = ["| device | ours, images/s | DataLoader, images/s | ratio |", "|---|---|---|---|"]
    lines += [f"| {r['device']} | {r['ours']:,.0f} | {r['loader']:,.0f} | {r['ratio']:.1f} |" for r in measured(rows)]
    return "\n".join(lines) if measured(rows) else NOT_MEASURED


def measured(rows: Sequence[Row]) -> list[Row]:
    """Those that did not fail."""
    return [row for row in rows if "failed" not in row]


def _order(row: Row) -> tuple[int, str, int]:
    known = (*LONE, *PROCESSES)
    return (known.index(row["technique"]) if row["technique"] in known else len(known), row["technique"], row["lanes"])
