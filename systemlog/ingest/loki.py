"""Loki's push API: streams of entries, as JSON or as a snappy block of protobuf.

An entry is known by its stream, time, line and metadata, as in Loki itself: clients put entries that failed among new
ones, so that the request says nothing. Equal entries of one request are told apart by their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
from django.http import HttpRequest, HttpResponse

from systemlog.ingest.endpoint import (
    MAX_HELD_BYTES,
    MAX_SENT_BYTES,
    Endpoint,
    Lines,
    check_media_type,
    holding,
    read_whole,
)
from systemlog.ingest.errors import JSON, PROTOBUF, ProtocolError
from systemlog.ingest.json_bodies import object_bytes
from systemlog.ingest.mapping import NO_MESSAGE, LineMaker, Refused, level_of, put_aside, take_text
from systemlog.ingest.protobuf import read_varint
from systemlog.ingest.streams import BodyBroken, BodyTooLarge, read_pieces

MAX_ENTRIES = 1_000_000
"""Of one request: each is remembered until its end, so that equal ones are told apart."""

LEVELS = ("level", "severity", "detected_level")
SOURCES = ("service_name", "service", "app", "application", "job", "host")
CATEGORIES = ("logger", "filename")


class Stream(NamedTuple):
    """What the entries of a stream share."""

    labels: dict[str, Any]
    digest: hashlib._Hash
    """SHA-256 of the labels and whose they are, to be gone on with."""


class LokiEntry(NamedTuple):
    """One entry, whichever encoding it had."""

    time_ns: int
    line: str
    metadata: dict[str, Any]


Decoded = tuple[dict[str, Any], Iterator["LokiEntry | Refused"]]
"""The labels of a stream, and its entries."""


class LokiPush(Endpoint):
    """`POST /loki/api/v1/push`."""

    protocol = "loki"

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Take the entries."""
        maker = self.writer(request)
        if request.content_type:
            check_media_type(request, JSON, PROTOBUF)
        with holding() as hold:
            pieces = read_pieces(request, max_sent=MAX_SENT_BYTES, max_decoded=MAX_HELD_BYTES, plain=("snappy",))
            body = read_whole(pieces, hold)
            if request.content_type == JSON:
                from systemlog.ingest.loki_json import decode

                hold(object_bytes(body))
            else:
                from systemlog.ingest.loki_protobuf import decode

                size = _declared_size(body)
                hold(size)
                body = _decompressed(body)
            taken, refused, reason = take(decode(body), maker)
        if refused:
            raise BodyBroken(f"{refused} of {taken + refused} entries were refused: {reason}")
        response = HttpResponse(status=204)
        del response.headers["Content-Type"]
        return response


class LokiReady(Endpoint):
    """`GET /loki/ready`, which some clients ask first."""

    protocol = "loki"

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """It is."""
        if request.method not in ("GET", "HEAD"):
            raise ProtocolError(405, "Send GET.", {"Allow": "GET, HEAD"})
        return HttpResponse("ready\n", content_type="text/plain; charset=utf-8")


def take(streams: Iterator[Decoded], maker: LineMaker) -> tuple[int, int, str]:
    """Take the entries of streams; gives how many, how many were refused, and why the first of them was."""
    seen: dict[int, int] = {}
    taken, refused, reason = 0, 0, ""
    with Lines(maker) as lines:
        for labels, entries in streams:
            stream = Stream(labels, maker.digest(_canonical(labels)))
            for entry in entries:
                try:
                    if isinstance(entry, Refused):
                        raise entry
                    if taken == MAX_ENTRIES:
                        raise BodyTooLarge
                    lines.add(line_of(stream, entry, maker, seen))
                    taken += 1
                except Refused as error:
                    refused += 1
                    reason = reason or str(error)
    return taken, refused, reason


def line_of(stream: Stream, entry: LokiEntry, maker: LineMaker, seen: dict[int, int]) -> bytes:
    """The level and the line of an entry. Raises `Refused`.

    `seen` is how many equal entries there were before, by the beginning of their digest.
    """
    context = dict(stream.labels)
    digest = stream.digest.copy()
    line = entry.line.encode("utf-8", "surrogatepass")
    digest.update(b"%d %d " % (entry.time_ns, len(line)))
    digest.update(line)
    if entry.metadata:
        digest.update(_canonical(entry.metadata))
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


def _canonical(labels: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return repr(sorted(labels.items(), key=str)).encode("utf-8", "surrogatepass")


def _declared_size(body: bytes) -> int:
    """How large a snappy block says it is. Raises `BodyTooLarge` before anything of it is decompressed."""
    if not body:
        return 0
    try:
        size, _ = read_varint(body, 0)
    except IndexError:
        raise BodyBroken("The body is no snappy block.") from None
    if size > MAX_HELD_BYTES:
        raise BodyTooLarge
    return size


def _decompressed(body: bytes) -> bytes:
    if not body:
        return b""
    try:
        from cramjam import DecompressionError, snappy
    except ImportError:
        text = "Send application/json: this server has no cramjam, which reads snappy."
        raise ProtocolError(415, text, {"Accept": JSON}) from None
    try:
        return bytes(snappy.decompress_raw(body))
    except DecompressionError:
        raise BodyBroken("The body is no snappy block, or it breaks off.") from None
