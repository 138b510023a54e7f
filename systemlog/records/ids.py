"""The id of a record: a UUIDv7 that contains the record's instant to the microsecond.

The layout is that of RFC 9562, section 6.2, method 3: 48 bits of milliseconds, then 12 bits for the fraction of a
millisecond. So the key `(timestamp, id)` can be found from the id alone, and ids sort by time. PostgreSQL 18's
`uuidv7()` has the same layout.
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
"""The 12 bits for each of the 1,000 microseconds of a millisecond. They are rounded up, so that the floor in
`instant_of` returns the same microsecond."""

_THREE_DIGITS = tuple(b"%03d" % number for number in range(1000))
MICROSECOND = timedelta(microseconds=1)
AT_ONCE_US = 100_000
"""A record whose time of creation is at most this far from now gets the process's clock, which keeps the order."""

MAX_CREATED_S = 253_402_300_799
"""The last second of the year 9999. Any code can set the time at which a log record was created."""

_clock = threading.Lock()
_last = 0
_second: tuple[int, bytes, int] = (-1_000_000, b"", 0)
"""The last second for which a key was made: its begin in microseconds since 1970, its text, and the upper bits of its
ids."""


def next_instant() -> datetime:
    """Return the current time in UTC, `max(now, last + 1 µs)`: instants of a process increase, and never repeat."""
    with _clock:
        return EPOCH + timedelta(microseconds=_tick())


def mint_id(instant: datetime) -> uuid.UUID:
    """Return a new id of `instant` (aware, 1970 or later). Its low 62 bits are random."""
    return assemble_id(instant, int.from_bytes(os.urandom(8), "big"))


def derive_id(instant: datetime, digest: bytes, ordinal: int) -> uuid.UUID:
    """Return the id that a text with the SHA-256 `digest` always gets at `instant`.

    `ordinal` distinguishes identical texts: 0 for the first, 1 for the second, and so on.
    """
    return assemble_id(instant, derive_bits(digest, ordinal))


def assemble_id(instant: datetime, low_bits: int) -> uuid.UUID:
    """Return the id of `instant` with these low bits, of which 62 are used."""
    return id_of_key(key_at((instant - EPOCH) // MICROSECOND, low_bits))


def instant_of(record_id: uuid.UUID) -> datetime | None:
    """Return the instant in a UUIDv7; None for any other id, and for an instant after the year 9999."""
    if record_id.version != 7:
        return None
    milliseconds = record_id.int >> 80
    fraction = (record_id.int >> 64) & 0xFFF
    try:
        return EPOCH + timedelta(milliseconds=milliseconds, microseconds=fraction * 1000 // 4096)
    except OverflowError:
        return None


def new_key_bytes(created: float | None = None) -> bytes:
    """Return the key of a new record, as its line begins: the timestamp, a tab, the id.

    This uses the clock of `next_instant` without its lock, so two threads may get the same microsecond. The second half
    of the id makes these keys distinct: it is a counter that starts at random in each process.

    `created`, in seconds since 1970, is when the record was logged. If it differs from now by more than a tenth of a
    second, because a queue or a relay held the record back, the key has that instant.
    """
    global _last  # noqa: PLW0603  (one clock per process)
    if created is not None and 1 <= (instant := created * 1e6) - _last <= AT_ONCE_US:
        # The record follows the one before closely, so its own time keeps the order. The clock need not be read again.
        _last = now = int(instant)
        return _key(now, next(_counter))
    if created is None or not 0 < created < MAX_CREATED_S or abs(time.time_ns() / 1000 - created * 1e6) <= AT_ONCE_US:
        return _key(_tick(), next(_counter))
    return _key(round(created * 1e6), next(_counter))


def key_at(microseconds: int, low_bits: int | None = None) -> bytes:
    """Return the key of a record of that instant, in microseconds since 1970, as its line begins.

    `low_bits`, an integer of 64 bits, make the second half of the id. Without them each call gives another id.
    """
    return _key(microseconds, next(_counter) if low_bits is None else _VARIANT | low_bits & _RANDOM_BITS)


def id_of_key(key: bytes) -> uuid.UUID:
    """Return the id in a key of `new_key_bytes` or `key_at`."""
    return uuid.UUID(key[-32:].decode())


def derive_bits(digest: bytes, ordinal: int) -> int:
    """Return the low bits of the id that the `ordinal`-th of equal texts with this digest always gets."""
    return int.from_bytes(hashlib.sha256(digest + ordinal.to_bytes(8, "big")).digest()[:8], "big")


def _tick() -> int:
    """Return the current time in microseconds since 1970, but later than the time returned before."""
    global _last  # noqa: PLW0603  (one clock per process)
    now = time.time_ns() // 1000
    _last = now = now if now > _last else _last + 1
    return now


def _key(now: int, second_half: int) -> bytes:
    global _second  # noqa: PLW0603  (all keys of a second share its text)
    begin, text, digits = _second
    microseconds = now - begin
    if not 0 <= microseconds < 1_000_000:
        seconds, microseconds = divmod(now, 1_000_000)
        text = time.strftime("%Y-%m-%d %H:%M:%S.", time.gmtime(seconds)).encode()
        digits = seconds * 1000 << 16 | 0x7000
        _second = now - microseconds, text, digits
    milliseconds = microseconds // 1000
    rest = microseconds - milliseconds * 1000
    first_half = digits + ((milliseconds << 16) + _FRACTIONS[rest])
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
    # Another thread may have held the lock during the fork. And the counter must not go on like the parent's.
    global _clock, _counter
    _clock, _counter = threading.Lock(), _begin_counting()


def _begin_counting() -> Iterator[int]:
    # The highest random bit stays 0, as room to count.
    return itertools.count(_VARIANT | int.from_bytes(os.urandom(8), "big") & _RANDOM_BITS >> 1)


_counter = _begin_counting()


def parse_id(text: str) -> uuid.UUID | None:
    """Return the UUID in a text of 32 or 36 characters; None if the text is no UUID."""
    return uuid.UUID(text) if _uuid.fullmatch(text) else None
