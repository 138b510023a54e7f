"""Loki's entries as records. docs/ingest.md lists which label or metadata becomes which column.

As in Loki itself, stream, time, line and metadata identify an entry. The request is not part of the identity, because
clients send failed entries again among new ones. Equal entries of one request are distinguished by their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from systemlog.ingest.mapping import NO_MESSAGE, LineMaker, Refused, level_of, put_aside, take_text

LEVELS = ("level", "severity", "detected_level")
SOURCES = ("service_name", "service", "app", "application", "job", "host")
CATEGORIES = ("logger", "filename")


class Stream(NamedTuple):
    """The labels that the entries of a stream share."""

    labels: dict[str, Any]
    digest: hashlib._Hash
    """A SHA-256 over the user and the labels. Each entry continues a copy."""


class LokiEntry(NamedTuple):
    """One entry, from either encoding."""

    time_ns: int
    line: str
    metadata: dict[str, Any]


Decoded = tuple[dict[str, Any], Iterator["LokiEntry | Refused"]]
"""The labels of a stream, and the stream's entries. A `Refused` stands for an entry that cannot be stored."""


def line_of(stream: Stream, entry: LokiEntry, maker: LineMaker, seen: dict[int, int]) -> bytes:
    """Return the line of an entry's record. Raises `Refused`.

    `seen` counts the equal entries of the request, by the first bytes of their digest.
    """
    context = dict(stream.labels)
    digest = stream.digest.copy()
    line = entry.line.encode("utf-8", "surrogatepass")
    digest.update(b"%d %d " % (entry.time_ns, len(line)))
    digest.update(line)
    if entry.metadata:
        digest.update(canonical(entry.metadata))
        for name, value in entry.metadata.items():
            if name not in context:
                context[name] = value
            elif context[name] != value:
                put_aside(context, name, value)
    identity = digest.digest()
    key = int.from_bytes(identity[:8], "big")
    ordinal = seen.get(key, 0)
    seen[key] = ordinal + 1
    return maker.make(
        instant_us=entry.time_ns // 1000,
        identity=identity,
        ordinal=ordinal,
        level=level_of(take_text(context, *LEVELS)),
        category=take_text(context, *CATEGORIES),
        source=take_text(context, *SOURCES),
        message=entry.line or NO_MESSAGE,
        correlation_id=take_text(context, "correlation_id", "request_id"),
        user_id=None,
        trace_id=take_text(context, "trace_id", "traceID"),
        context=context,
    )


def canonical(labels: dict[str, Any]) -> bytes:
    """Return the same bytes for equal labels in any order."""
    try:
        return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return repr(sorted(labels.items(), key=str)).encode("utf-8", "surrogatepass")
