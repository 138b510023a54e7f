"""Decoding Loki's push request in JSON, in the current form and in the old one with `labels` and `entries`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from systemlog.ingest.json_bodies import load_request
from systemlog.ingest.loki_entries import Decoded, LokiEntry
from systemlog.ingest.loki_labels import read_labels
from systemlog.ingest.mapping import Refused
from systemlog.ingest.streams import BodyBroken
from systemlog.records.ids import EPOCH, MICROSECOND
from systemlog.records.times import parse_timestamp

MAX_OBJECT_BYTES = 640 * 2**20
"""The most memory that the Python objects of a request may take."""

NO_REQUEST = "The body is no push request in JSON."


def decode(body: bytes) -> Iterator[Decoded]:
    """Yield the streams of a push request. Raises `BodyBroken` at the first that is invalid, and `BodyTooLarge`."""
    request = load_request(body, MAX_OBJECT_BYTES)
    if not isinstance(request, dict):
        raise BodyBroken(NO_REQUEST)
    streams = request.get("streams")
    if streams is None:
        streams = [request] if "entries" in request else []
    if not isinstance(streams, list):
        raise BodyBroken(NO_REQUEST)
    for stream in streams:
        if not isinstance(stream, dict):
            raise BodyBroken(NO_REQUEST)
        if "entries" in stream:
            labels, entries = stream.get("labels", "{}"), stream["entries"]
            labels = read_labels(labels) if isinstance(labels, str) else labels
            read: Callable[[list[Any]], Iterator[LokiEntry | Refused]] = _old_entries
        else:
            labels, entries = stream.get("stream"), stream.get("values")
            labels = {} if labels is None else labels
            read = _entries
        if not isinstance(labels, dict) or not isinstance(entries, list | None):
            raise BodyBroken(NO_REQUEST)
        yield labels, read(entries or [])


def _entries(values: list[Any]) -> Iterator[LokiEntry | Refused]:
    for value in values:
        if not isinstance(value, list) or not 2 <= len(value) <= 3 or not isinstance(value[1], str):
            yield Refused("An entry is no list of a time, a line and perhaps metadata.")
            continue
        metadata = value[2] if len(value) == 3 else None
        if not isinstance(metadata, dict | None):
            yield Refused("The metadata of an entry are no object.")
            continue
        time_ns = _nanoseconds(value[0])
        if time_ns is None:
            yield Refused("The time of an entry is no number of nanoseconds.")
        else:
            yield LokiEntry(time_ns, value[1], metadata or {})


def _old_entries(entries: list[Any]) -> Iterator[LokiEntry | Refused]:
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("line"), str):
            yield Refused("An entry is no object with ts and line.")
            continue
        given = entry.get("ts", entry.get("timestamp"))
        instant = parse_timestamp(given) if isinstance(given, str) else None
        if instant is not None:
            yield LokiEntry((instant - EPOCH) // MICROSECOND * 1000, entry["line"], {})
        elif (time_ns := _nanoseconds(given)) is not None:
            yield LokiEntry(time_ns, entry["line"], {})
        else:
            yield Refused("The time of an entry is none in RFC 3339.")


def _nanoseconds(value: object) -> int | None:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() and len(digits) <= 20 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
