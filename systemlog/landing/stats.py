"""The ledger: what landers have done so far, in a small file beside the segments, for whoever shows it.

Landers of any process write it, so that the numbers are those of the machine; only one of them works at a time.
"""

from __future__ import annotations

import os
import struct
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from systemlog.records.levels import LEVEL_NAMES

FILE = "ledger"
_LEVELS = len(LEVEL_NAMES)
_counts = (_LEVELS, _LEVELS + 1, _LEVELS, _LEVELS)
_form = struct.Struct(f"<{sum(_counts)}Q2d")


class Ledger(NamedTuple):
    """Counts since the folder was made, by the index of the level."""

    landed: tuple[int, ...] = (0,) * _LEVELS
    quarantined: tuple[int, ...] = (0,) * (_LEVELS + 1)
    """The last is of what has no level: it is no line."""
    accepted: tuple[int, ...] = (0,) * _LEVELS
    """In segments that are gone."""
    refused: tuple[int, ...] = (0,) * _LEVELS
    """By the writers of segments that are gone."""
    batch_records: float = 0.0
    """Of the last batch."""
    batch_s: float = 0.0


def read_ledger(folder: Path) -> Ledger:
    """The ledger of a folder; all zeros where there is none."""
    try:
        data = (folder / FILE).read_bytes()
        numbers = _form.unpack(data)
    except (OSError, struct.error):
        return Ledger()
    landed, quarantined, accepted, refused = (
        numbers[end - count : end] for count, end in zip(_counts, accumulate(_counts), strict=True)
    )
    return Ledger(landed, quarantined, accepted, refused, numbers[-2], numbers[-1])


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Replace the ledger; what there is no room for is left out, since it is only shown."""
    data = _form.pack(
        *ledger.landed, *ledger.quarantined, *ledger.accepted, *ledger.refused, ledger.batch_records, ledger.batch_s
    )
    try:
        descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        os.pwrite(descriptor, data, 0)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The sums, place by place."""
    return tuple(map(sum, zip(one, other, strict=True)))
