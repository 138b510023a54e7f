"""The id of a record: a UUIDv7 that carries the record's instant to the microsecond.

RFC 9562, section 6.2, method 3: 48 bits of milliseconds, then 12 bits of the fraction of one. So the id alone
tells the key `(timestamp, id)`, and ids sort as their instants do. PostgreSQL 18's `uuidv7()` has the same layout.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import struct
import threading
import time
import uuid
from binascii import hexlify
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from systemlog.forking import run_after_fork

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_uuid = re.compile("[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RANDOM_BITS = (1 << 62) - 1
_VARIANT = 2 << 62
_HALVES = struct.Struct(">QQ").pack
_FRACTIONS = tuple((number * 4096 + 999) // 1000 for number in range(1000))
"""Of a millisecond, by microseconds; rounded up, so that the floor in `instant_of` gives back the very microsecond."""

_THREE_DIGITS = tuple(b"%03d" % number for number in range(1000))
MICROSECOND = timedelta(microseconds=1)
AT_ONCE_US = 100_000
"""A record that was created at most so long before it got here is of now: its process's clock keeps the order."""

MAX_CREATED_S = 253_402_300_799
"""The last second of the year 9999. Logging lets anybody set when a record was created."""

_clock = threading.Lock()
_last = 0
_second: tuple[int, bytes, int] = (-1, b"", 0)
"""The present second: since 1970, its text, and what the first half of its ids begins with."""


def next_instant() -> datetime:
    """Now in UTC, to the microsecond; `max(now, last + 1)`: never twice the same, and order is not lost."""
    global _last  # noqa: PLW0603  (the clock of the process)
    with _clock:
        now = time.time_ns() // 1000
        _last = now = now if now > _last else _last + 1
    return EPOCH + timedelta(microseconds=now)


def mint_id(instant: datetime) -> uuid.UUID:
    """A new id of `instant` (aware, 1970 or later); its 62 low bits are random."""
    return assemble_id(instant, int.from_bytes(os.urandom(8), "big"))


def derive_id(instant: datetime, digest: bytes, ordinal: int) -> uuid.UUID:
    """The id of `instant` that a text always gets: its low bits come of the text's SHA-256 `digest` and `ordinal`.

    `ordinal` tells identical texts apart: 0 for the first, 1 for the second, and so on.
    """
    return assemble_id(instant, derive_bits(digest, ordinal))


def assemble_id(instant: datetime, low_bits: int) -> uuid.UUID:
    """The id of `instant` with these 62 low bits."""
    milliseconds, microseconds = divmod((instant - EPOCH) // MICROSECOND, 1000)
    return uuid.UUID(
        int=(milliseconds << 80) | (7 << 76) | (_FRACTIONS[microseconds] << 64) | _VARIANT | (low_bits & _RANDOM_BITS)
    )


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


def new_key_bytes(created: float | None = None) -> bytes:
    """The key of a record of now, as its line begins: the timestamp, a tab, the id; the least that writing it takes.

    The same clock as `next_instant`, without its lock: two threads may get the same microsecond. A counter, which
    begins at random in each process, is the second half of the id and tells them apart.

    `created`, in seconds since 1970, is when the record was logged. Where a queue or a relay held the record back, so
    that `created` is more than a tenth of a second from now, the key is of that instant.
    """
    global _last  # noqa: PLW0603  (the clock of the process)
    now = time.time_ns() // 1000
    if created is None or -AT_ONCE_US <= now - created * 1e6 <= AT_ONCE_US or not 0 < created < MAX_CREATED_S:
        _last = now = now if now > _last else _last + 1
    else:
        now = round(created * 1e6)
    return _key(now, next(_counter))


def key_at(microseconds: int, low_bits: int | None = None) -> bytes:
    """The key of a record of that instant, in microseconds since 1970, as its line begins.

    `low_bits`, 64 of them, make the second half of the id; without them the id is a new one.
    """
    return _key(microseconds, next(_counter) if low_bits is None else _VARIANT | low_bits & _RANDOM_BITS)


def id_of_key(key: bytes) -> uuid.UUID:
    """Return the id in a key of `new_key_bytes` or `key_at`."""
    return uuid.UUID(key[-32:].decode())


def derive_bits(digest: bytes, ordinal: int) -> int:
    """The low bits of the id that the `ordinal`-th of equal texts with this digest always gets."""
    return int.from_bytes(hashlib.sha256(digest + ordinal.to_bytes(8, "big")).digest()[:8], "big")


def _key(now: int, second_half: int) -> bytes:
    global _second  # noqa: PLW0603  (a second's text is good for all its records)
    seconds = now // 1_000_000
    known, text, digits = _second
    if known != seconds:
        text = time.strftime("%Y-%m-%d %H:%M:%S.", time.gmtime(seconds)).encode()
        digits = seconds * 1000 << 16 | 0x7000
        _second = seconds, text, digits
    microseconds = now - seconds * 1_000_000
    milliseconds = microseconds // 1000
    rest = microseconds - milliseconds * 1000
    first_half = digits + (milliseconds << 16) + _FRACTIONS[rest]
    return b"".join(
        (
            text,
            _THREE_DIGITS[milliseconds],
            _THREE_DIGITS[rest],
            b"+00\t",
            hexlify(_HALVES(first_half, second_half)),
        )
    )


@run_after_fork
def _begin_anew() -> None:
    # Another thread may have held the lock when this process was forked; and its counter is its parent's.
    global _clock, _counter
    _clock, _counter = threading.Lock(), _begin_counting()


def _begin_counting() -> Iterator[int]:
    # The uppermost random bit is left to count into.
    return itertools.count(_VARIANT | int.from_bytes(os.urandom(8), "big") & _RANDOM_BITS >> 1)


_counter = _begin_counting()


def parse_id(text: str) -> uuid.UUID | None:
    """The UUID in 32 or 36 characters; None if it is none."""
    return uuid.UUID(text) if _uuid.fullmatch(text) else None
