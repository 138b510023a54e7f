"""Framing of lines in a segment: a line break, three numbers of eight hexadecimal digits, then the line.

The numbers are the line's length, its CRC-32, and the time when it was accepted, in seconds since 1970. A line never
contains a line break, so that a reader can go on behind damaged bytes. The length tells a frame that was cut short (its
writer was killed, or the disk was full, and the call never returned) from one that was corrupted later.
"""

from __future__ import annotations

import re
import struct
from binascii import hexlify
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

HEAD_BYTES = 25
ACCEPTED = slice(17, 25)
MAX_LINE_BYTES = 2**20
"""Longest possible line. Even a message and a context at their limits, with every character escaped, are shorter."""

_NUMBERS = struct.Struct(">III").pack
_CHECKED = struct.Struct(">II").pack
_head = re.compile(rb"[0-9a-f]{24}")


class Damage(NamedTuple):
    """Bytes of a segment that are no line, and why. `torn` says that they are the beginning of a frame that was never
    completed."""

    data: bytes
    reason: str
    torn: bool
    length: int
    """In bytes, including the line break before `data`, if there is one."""


def frame(line: bytes, accepted_s: int) -> bytes:
    """Return the line with its frame."""
    return b"\n" + hexlify(_NUMBERS(len(line), crc32(line), accepted_s)) + line


def accepted_at(head: bytes) -> int | None:
    """Return the time of acceptance from the beginning of a frame, in seconds since 1970; None if this is no frame."""
    return int(head[ACCEPTED], 16) if _head.match(head, 1) else None


def framed_bytes(line: bytes) -> int:
    """Return how many bytes the line takes in a segment."""
    return HEAD_BYTES + len(line)


def read_lines(data: bytes, *, ends: bool) -> tuple[list[bytes], Damage | None]:
    """Return the lines at the beginning of `data`, up to the first damage, and that damage.

    `ends` says that nothing will follow `data`. Then a last line that is incomplete is torn. Otherwise it is still
    being written, and is neither a line nor damage.
    """
    parts = data.split(b"\n")
    if parts[0]:  # the rest of damage that was longer than one read
        return [], Damage(parts[0], "has no length and checksum", torn=False, length=len(parts[0]))
    lines: list[bytes] = []
    last = len(parts) - 1
    for index in range(1, last + 1):
        part = parts[index]
        line = part[24:]
        if len(part) >= HEAD_BYTES - 1 and part[:16] == hexlify(_CHECKED(len(line), crc32(line))):
            lines.append(line)
            continue
        if index == last and not ends:
            return lines, None
        return lines, _damage(part)
    return lines, None


def ends_of(lines: Sequence[bytes], start: int) -> list[int]:
    """Return the position at which each of the lines ends; they follow one another from `start` on."""
    ends = []
    for line in lines:
        start += framed_bytes(line)
        ends.append(start)
    return ends


def _damage(part: bytes) -> Damage:
    torn = False
    if not _head.match(part):
        torn = len(part) < HEAD_BYTES and re.fullmatch(rb"[0-9a-f]*", part) is not None
        reason = "cut short" if torn else "has no length and checksum"
    elif (missing := int(part[:8], 16) - (len(part) - HEAD_BYTES + 1)) > 0:
        torn, reason = True, "cut short"
    else:
        reason = "is longer than it says" if missing < 0 else "does not fit its checksum"
    return Damage(part, reason, torn, 1 + len(part))
