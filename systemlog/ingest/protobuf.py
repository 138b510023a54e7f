"""Reading the outer structure of protobuf messages field by field, and writing small messages.

A request is never decoded as a whole, because a decoder takes fifty times the memory for a record of two bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

from systemlog.ingest.streams import BodyBroken

BROKEN = "The body is no protobuf message, or it breaks off."
MAX_GROUPS = 100


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each text, bytes or message between two places: the field's number, and where its value begins and ends.

    Numbers are skipped. Raises `BodyBroken`.
    """
    try:
        while at < end:
            tag = data[at]
            at += 1
            if tag > 0x7F:
                tag, at = read_varint(data, at - 1)
            kind = tag & 7
            if kind == 2:
                size = data[at]
                at += 1
                if size > 0x7F:
                    size, at = read_varint(data, at - 1)
                stop = at + size
                if stop > end or tag < 8:
                    raise BodyBroken(BROKEN)
                yield tag >> 3, at, stop
                at = stop
            else:
                at = skip(data, at, tag)
    except IndexError:
        raise BodyBroken(BROKEN) from None
    if at != end:
        raise BodyBroken(BROKEN)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends. Raises `BodyBroken`, and `IndexError` at the end."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise BodyBroken(BROKEN)


def write_varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def write_number(field: int, value: int) -> bytes:
    """Return a field that holds a number."""
    return write_varint(field << 3) + write_varint(value)


def write_bytes(field: int, value: bytes) -> bytes:
    """Return a field that holds a text, bytes or a message."""
    return write_varint(field << 3 | 2) + write_varint(len(value)) + value


def skip(data: bytes, at: int, tag: int, depth: int = 0) -> int:
    """Return where the field with this tag ends. Raises `BodyBroken`, and `IndexError` at the end."""
    kind = tag & 7
    if tag < 8:
        raise BodyBroken(BROKEN)
    if kind == 0:
        return read_varint(data, at)[1]
    if kind == 1:
        return at + 8
    if kind == 2:
        size, at = read_varint(data, at)
        return at + size
    if kind == 5:
        return at + 4
    if kind != 3 or depth > MAX_GROUPS:
        raise BodyBroken(BROKEN)
    while True:  # a group, a kind of field that newer versions of protobuf do not have
        inner, at = read_varint(data, at)
        if inner & 7 == 4:
            if inner >> 3 != tag >> 3:
                raise BodyBroken(BROKEN)
            return at
        at = skip(data, at, inner, depth + 1)
