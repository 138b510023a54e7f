"""The ledger: what the landers of a host have done so far, in a small file beside the segments, for metrics.

Landers of any process write the file. Only one lander works at a time, so no lock is needed.
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
    """Counts by level since the folder was made."""

    landed: tuple[int, ...] = (0,) * _LEVELS
    quarantined: tuple[int, ...] = (0,) * (_LEVELS + 1)
    """The last count is of bytes that are no record, and so have no level."""
    accepted: tuple[int, ...] = (0,) * _LEVELS
    """Accepted records in segments that are removed by now."""
    refused: tuple[int, ...] = (0,) * _LEVELS
    """Refused records of segments that are removed by now."""
    batch_records: float = 0.0
    """Records of the last batch."""
    batch_s: float = 0.0


def read_ledger(folder: Path) -> Ledger:
    """Return the ledger of a folder; all zeros where there is none."""
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
    """Write the ledger. Where the disk has no room this is skipped, because the ledger is only shown."""
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
    """Return the sums of the numbers at equal places."""
    return tuple(map(sum, zip(one, other, strict=True)))
