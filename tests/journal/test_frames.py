"""Framing: whatever happens to a file, only lines are read that were written."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from systemlog.journal.framing import Damage, accepted_at, ends_of, frame, framed_bytes, read_lines

LINES = st.lists(st.binary(min_size=1, max_size=60).map(lambda data: data.replace(b"\n", b"")), max_size=8)


def framed(lines: list[bytes]) -> bytes:
    return b"".join(frame(line, 1) for line in lines)


def read_all(data: bytes, *, ends: bool = True) -> list[bytes]:
    """Return all lines that can be read; damage is skipped."""
    found: list[bytes] = []
    while data:
        lines, damage = read_lines(data, ends=ends)
        found += lines
        if damage is None:
            break
        data = data[sum(map(framed_bytes, lines)) + damage.length :]
    return found


@given(LINES)
def test_lines_come_back(lines: list[bytes]) -> None:
    assert read_lines(framed(lines), ends=False) == (lines, None)


@given(LINES, st.integers(0, 800))
@example([b"\x00", b""], 43)  # behind the length and the checksum of an empty line
def test_a_file_cut_at_any_byte_gives_its_whole_lines_and_a_torn_one(lines: list[bytes], at: int) -> None:
    data = framed(lines)[:at]
    ends = ends_of(lines, 0)
    whole = [line for line, end in zip(lines, ends, strict=True) if end <= at]
    found, damage = read_lines(data, ends=True)
    assert found == whole
    assert damage is None or damage.torn
    assert read_lines(data, ends=False) == (whole, None)


@given(LINES, st.integers(0, 800), st.binary(min_size=1, max_size=3))
def test_of_a_damaged_file_no_other_line_comes_back(lines: list[bytes], at: int, noise: bytes) -> None:
    data = framed(lines)
    at = min(at, len(data))
    damaged = data[:at] + noise + data[at + len(noise) :]
    untouched = [
        line
        for line, end in zip(lines, ends_of(lines, 0), strict=True)
        if end < at or end - framed_bytes(line) >= at + len(noise)
    ]
    found = read_all(damaged)
    assert all(line in lines for line in found)
    assert [line for line in found if line in untouched][: len(untouched)] or not untouched
    assert len(found) >= len(untouched)


@given(st.binary(max_size=300))
def test_anything_else_is_damage_and_reading_goes_on_behind_it(noise: bytes) -> None:
    assert read_all(b"\n" + noise + frame(b"good", 1))[-1:] == [b"good"]


def test_a_torn_line_before_another_line_is_not_taken_for_a_corrupted_one() -> None:
    whole = frame(b"a line of some length", 1)
    assert read_lines(whole[:-5] + whole, ends=False) == ([], Damage(whole[1:-5], "cut short", True, len(whole) - 5))
    corrupted = whole.replace(b"line", b"lime")
    assert read_lines(corrupted + whole, ends=False) == (
        [],
        Damage(corrupted[1:], "does not fit its checksum", False, len(corrupted)),
    )


def test_a_frame_tells_when_it_was_accepted() -> None:
    assert accepted_at(frame(b"x", 1_700_000_000)) == 1_700_000_000
    assert accepted_at(b"\nno frame at all, but long enough") is None


@given(st.binary(max_size=40).filter(lambda data: not re.match(rb"\n[0-9a-f]{24}", data)))
def test_what_is_no_frame_tells_nothing(data: bytes) -> None:
    assert accepted_at(data) is None
