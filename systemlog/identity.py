"""The id of a record: a UUIDv7 that carries the record's instant to the microsecond.

RFC 9562, section 6.2, method 3: 48 bits of milliseconds, then 12 bits of the fraction of one. So the id alone
tells the key `(timestamp, id)`, and ids sort as their instants do. PostgreSQL 18's `uuidv7()` has the same layout.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

from systemlog.forking import begin_in_child

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BITS = (1 << 62) - 1
_VARIANT = 2 << 62
MICROSECOND = timedelta(microseconds=1)

_clock = threading.Lock()
_last = 0


def next_microsecond() -> int:
    """Now, in µs since 1970; `max(now, last + 1)`: never twice the same in one process, and order is not lost."""
    global _last  # noqa: PLW0603  (the clock of the process)
    with _clock:
        now = time.time_ns() // 1000
        _last = now if now > _last else _last + 1
        return _last


def next_instant() -> datetime:
    """The same clock as `next_microsecond`, as an aware instant in UTC."""
    return EPOCH + timedelta(microseconds=next_microsecond())


def mint_id(instant: datetime) -> uuid.UUID:
    """A new id of `instant` (aware, 1970 or later); its 62 low bits are random."""
    return _assemble(instant, int.from_bytes(os.urandom(8), "big"))


def derive_id(instant: datetime, digest: bytes, ordinal: int) -> uuid.UUID:
    """The id of `instant` that a text always gets: its low bits come of the text's SHA-256 `digest` and `ordinal`.

    `ordinal` tells identical texts apart: 0 for the first, 1 for the second, and so on.
    """
    bits = hashlib.sha256(digest + ordinal.to_bytes(8, "big")).digest()
    return _assemble(instant, int.from_bytes(bits[:8], "big"))


def instant_of(record_id: uuid.UUID) -> datetime | None:
    """The instant inside a UUIDv7; None for any other id, and for one beyond the year 9999."""
    if record_id.version != 7:
        return None
    milliseconds = record_id.int >> 80
    fraction = (record_id.int >> 64) & 0xFFF
    try:
        return EPOCH + timedelta(milliseconds=milliseconds, microseconds=fraction * 1000 // 4096)
    except OverflowError:
        return None


def halves_of_id(microsecond: int) -> tuple[int, bytes]:
    """A new id as the number of its first 16 digits and the text of the others: the least that writing it takes.

    `microsecond` is one that this process has for this id alone, as `next_microsecond` gives it: that tells apart what
    one process mints, and the random second half, which is the process's own, what others do.
    """
    milliseconds, rest = divmod(microsecond, 1000)
    return milliseconds << 16 | 0x7000 | (rest * 4096 + 999) // 1000, _own


def _assemble(instant: datetime, low_bits: int) -> uuid.UUID:
    milliseconds, microseconds = divmod((instant - EPOCH) // MICROSECOND, 1000)
    fraction = _fraction(microseconds)
    return uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (fraction << 64) | _VARIANT | (low_bits & _RANDOM_BITS))


def _fraction(microseconds: int) -> int:
    # Rounded up, so that the floor in instant_of() gives back the very microsecond.
    return (microseconds * 4096 + 999) // 1000


@begin_in_child
def _begin_anew() -> None:
    # Another thread may have held the lock when this process was forked; and its own bits were its parent's.
    global _clock, _own
    _clock, _own = threading.Lock(), _random_digits()


def _random_digits() -> bytes:
    return b"%016x" % (int.from_bytes(os.urandom(8), "big") & _RANDOM_BITS | _VARIANT)


_own = _random_digits()
