"""Decoding Loki's push request in protobuf, without a library, because the message has few fields."""

from __future__ import annotations

from collections.abc import Iterator

from systemlog.ingest.loki_entries import Decoded, LokiEntry
from systemlog.ingest.loki_labels import read_labels
from systemlog.ingest.mapping import Refused
from systemlog.ingest.protobuf import BROKEN, fields, read_varint, skip
from systemlog.ingest.streams import BodyBroken

STREAMS = 1
LABELS, ENTRIES = 1, 2
TIMESTAMP, LINE, METADATA = 1, 2, 3
NAME, VALUE = 1, 2

SIGN = 1 << 63


def decode(body: bytes) -> Iterator[Decoded]:
    """Yield the streams of a push request. Raises `BodyBroken` at a broken place."""
    for number, start, end in fields(body, 0, len(body)):
        if number == STREAMS:
            labels: dict[str, str] = {}
            for field, begin, stop in fields(body, start, end):
                if field == LABELS:
                    labels = read_labels(body[begin:stop].decode("utf-8", "replace"))
                    break
            yield labels, _entries(body, start, end)


def _entries(body: bytes, start: int, end: int) -> Iterator[LokiEntry | Refused]:
    for field, begin, stop in fields(body, start, end):
        if field == ENTRIES:
            time_ns, line = 0, b""
            metadata: dict[str, str] = {}
            for number, at, until in fields(body, begin, stop):
                if number == TIMESTAMP:
                    time_ns = _nanoseconds(body, at, until)
                elif number == LINE:
                    line = body[at:until]
                elif number == METADATA:
                    pair = {NAME: "", VALUE: ""}
                    for which, first, last in fields(body, at, until):
                        pair[which] = body[first:last].decode("utf-8", "replace")
                    metadata[pair[NAME]] = pair[VALUE]
            yield LokiEntry(time_ns, line.decode("utf-8", "replace"), metadata)


def _nanoseconds(body: bytes, at: int, end: int) -> int:
    """Return the nanoseconds since 1970 of a Timestamp, the only message of a push request that holds numbers."""
    numbers = {1: 0, 2: 0}
    try:
        while at < end:
            tag, at = read_varint(body, at)
            if tag & 7 == 0:
                value, at = read_varint(body, at)
                numbers[tag >> 3] = value
            else:
                at = skip(body, at, tag)
    except IndexError:
        raise BodyBroken(BROKEN) from None
    if at != end:
        raise BodyBroken(BROKEN)
    seconds, nanoseconds = numbers[1], numbers[2]
    return (seconds - 2 * SIGN if seconds & SIGN else seconds) * 10**9 + (nanoseconds & 0x7FFFFFFF)
