"""Framing of lines in a segment: a line break, three numbers of eight hexadecimal digits, then the line.

The numbers are the line's length, its CRC-32, and when it was accepted, in seconds since 1970. A line never holds a
line break, so that reading can go on behind anything that is damaged; the length tells what was cut short (a writer
that was killed, a full disk: such a call never returned) from what was corrupted later.
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
"""No line is longer: a message and a context at their limits, with every character escaped, are shorter."""

_NUMBERS = struct.Struct(">III").pack
_CHECKED = struct.Struct(">II").pack
_head = re.compile(rb"[0-9a-f]{24}")


class Damage(NamedTuple):
    """Bytes of a segment that are no line, why they are none, and how far they reach; `torn` if they never were one."""

    data: bytes
    reason: str
    torn: bool
    length: int
    """In bytes, with the line break before `data`, if there is one."""


def frame(line: bytes, accepted_s: int) -> bytes:
    """The line as it stands in a segment."""
    return b"\n" + hexlify(_NUMBERS(len(line), crc32(line), accepted_s)) + line


def accepted_at(head: bytes) -> int | None:
    """When the line was accepted whose frame begins so, in seconds since 1970; None if that is no frame."""
    return int(head[ACCEPTED], 16) if _head.match(head, 1) else None


def framed_bytes(line: bytes) -> int:
    """How many bytes the line takes in a segment."""
    return HEAD_BYTES + len(line)


def read_lines(data: bytes, *, ends: bool) -> tuple[list[bytes], Damage | None]:
    """The lines at the beginning of `data`, up to the first damage, and that damage.

    `ends` says whether nothing will follow `data`: then a last line that is cut short is torn; else it is neither
    a line nor damage yet.
    """
    parts = data.split(b"\n")
    if parts[0]:  # behind damage that was longer than what is read at once
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
    """Where each of the lines ends that stand one behind the other from `start` on."""
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
