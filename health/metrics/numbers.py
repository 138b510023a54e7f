"""Reading a file of numbers, and combining the numbers of several processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from health.metrics.multiprocess import HEADER_BYTES, NUMBER, USED

Number = tuple[float, float]
"""A value and its timestamp."""

Numbers = dict[bytes, Number]
"""Numbers by key. A key is the JSON of names and labels that prometheus_client writes before each number."""

FIRST_READ_BYTES = 2**16

_layouts: dict[Path, list[tuple[bytes, int]]] = {}
"""The keys of each file with the positions of their numbers. Keys are only appended, so each is parsed once."""


def read_numbers(file: Path) -> Numbers:
    """Return the numbers in a file. From a truncated file, return the numbers before the cut.

    Raises `FileNotFoundError` if the file does not exist any more.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, FIRST_READ_BYTES, 0)
        used = USED.unpack_from(data)[0] if len(data) >= HEADER_BYTES else 0
        if used > len(data):
            data += os.pread(descriptor, used - len(data), len(data))
    finally:
        os.close(descriptor)
    unpack = NUMBER.unpack_from
    return {key: unpack(data, position) for key, position in _layout(file, data, min(used, len(data)))}


def forget_layouts(files: set[Path]) -> None:
    """Keep the parsed keys of these files only."""
    for file in _layouts.keys() - files:
        _layouts.pop(file, None)


def fold(kind: str, into: Numbers, numbers: Numbers) -> None:
    """Add the numbers of another process to `into`, by the rule of their kind (for gauges, their mode)."""
    combine = RULES.get(kind.rpartition("_")[2].removeprefix("live"), _sum)
    for key, number in numbers.items():
        into[key] = combine(into[key], number) if key in into else number


def _sum(one: Number, other: Number) -> Number:
    return one[0] + other[0], 0.0


def _lower(one: Number, other: Number) -> Number:
    return min(one, other)


def _higher(one: Number, other: Number) -> Number:
    return max(one, other)


def _later(one: Number, other: Number) -> Number:
    return one if one[1] >= other[1] else other


RULES: dict[str, Callable[[Number, Number], Number]] = {"min": _lower, "max": _higher, "mostrecent": _later}


def _layout(file: Path, data: bytes, used: int) -> list[tuple[bytes, int]]:
    layout = _layouts.setdefault(file, [])
    position = layout[-1][1] + NUMBER.size if layout else HEADER_BYTES
    while position + USED.size <= used:
        length = USED.unpack_from(data, position)[0]
        start = position + USED.size
        number = start + length + (8 - (length + USED.size) % 8)
        if length <= 0 or number + NUMBER.size > used:
            break
        layout.append((data[start : start + length], number))
        position = number + NUMBER.size
    return layout
