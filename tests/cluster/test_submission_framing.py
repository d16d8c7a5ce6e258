"""What is sent through a job's log arrives as it was sent, or is known to be damaged."""

from __future__ import annotations

import random

import pytest

from study.remote.framing import LINE_BYTES, DamagedError, framed, unframed

PAYLOAD = random.Random(1).randbytes(3 * LINE_BYTES + 5)


@pytest.mark.parametrize("size", [0, 1, LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, len(PAYLOAD)])
def test_what_is_sent_arrives(size: int) -> None:
    assert unframed("piece", "\n".join(framed("piece", PAYLOAD[:size]))) == PAYLOAD[:size]


def test_other_lines_may_stand_between() -> None:
    lines = ["Running entrypoint", *(f"{line}\nwarning: study" for line in framed("piece", PAYLOAD)), "study:end"]

    assert unframed("piece", "\r\n".join(lines)) == PAYLOAD


def test_each_kind_is_found_among_others_and_the_last_of_a_kind_counts() -> None:
    lines = [*framed("answer", b"first"), *framed("piece", PAYLOAD), *framed("answer", b"second")]

    assert unframed("answer", "\n".join(lines)) == b"second"
    assert unframed("piece", "\n".join(lines)) == PAYLOAD


def test_a_log_without_it_holds_nothing() -> None:
    assert unframed("piece", "\n".join(["python: not found", *framed("answer", b"other")])) is None


@pytest.mark.parametrize("kept", [1, 2, 4, 5])
def test_a_log_that_breaks_off_is_damaged(kept: int) -> None:
    with pytest.raises(DamagedError, match="breaks off"):
        unframed("piece", "\n".join(list(framed("piece", PAYLOAD))[:kept]))


def test_a_line_cut_in_the_middle_is_damage() -> None:
    text = "\n".join(framed("piece", PAYLOAD))

    for length in range(len(text) // 2, len(text), 5000):
        with pytest.raises(DamagedError):
            unframed("piece", text[:length])


def test_a_lost_line_is_missed() -> None:
    lines = list(framed("piece", PAYLOAD))

    with pytest.raises(DamagedError, match="3 of 4 lines"):
        unframed("piece", "\n".join(lines[:2] + lines[3:]))


def test_lines_out_of_order_are_refused() -> None:
    lines = list(framed("piece", PAYLOAD))
    lines[1], lines[2] = lines[2], lines[1]

    with pytest.raises(DamagedError, match="line 0 is missing or out of order"):
        unframed("piece", "\n".join(lines))


def test_a_changed_character_is_found() -> None:
    lines = list(framed("piece", PAYLOAD))
    line = lines[2]
    swapped = line[:500] + ("A" if line[500] != "A" else "B") + line[501:]

    with pytest.raises(DamagedError, match="checksum"):
        unframed("piece", "\n".join([*lines[:2], swapped, *lines[3:]]))
    with pytest.raises(DamagedError, match="line 1 is cut or overwritten"):
        unframed("piece", "\n".join([*lines[:2], line[:500] + "*" + line[501:], *lines[3:]]))
