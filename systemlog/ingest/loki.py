"""Loki's push API: streams of entries, as JSON or as a snappy block of protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse

from systemlog.ingest import loki_json, loki_protobuf
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
from systemlog.ingest.loki_entries import Decoded, Stream, canonical, line_of
from systemlog.ingest.mapping import LineMaker, Refused
from systemlog.ingest.protobuf import read_varint
from systemlog.ingest.streams import BodyBroken, BodyTooLarge, read_pieces

MAX_ENTRIES = 1_000_000
"""The most entries of a request. Each is remembered until the end, so that equal entries can be distinguished."""


class LokiPush(Endpoint):
    """`POST /loki/api/v1/push`."""

    protocol = "loki"

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Store the entries."""
        maker = self.writer(request)
        if request.content_type:
            check_media_type(request, JSON, PROTOBUF)
        with holding() as hold:
            pieces = read_pieces(request, max_sent=MAX_SENT_BYTES, max_decoded=MAX_HELD_BYTES, plain=("snappy",))
            body = read_whole(pieces, hold)
            if request.content_type == JSON:
                hold(object_bytes(body))
                streams = loki_json.decode(body)
            else:
                hold(_declared_size(body))
                body = _decompressed(body)
                streams = loki_protobuf.decode(body)
            taken, refused, reason = take(streams, maker)
        if refused:
            raise BodyBroken(f"{refused} of {taken + refused} entries were refused: {reason}")
        response = HttpResponse(status=204)
        del response.headers["Content-Type"]
        return response


class LokiReady(Endpoint):
    """`GET /loki/ready`, which some clients request before they send entries."""

    protocol = "loki"

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Answer that the server is ready."""
        if request.method not in ("GET", "HEAD"):
            raise ProtocolError(405, "Send GET.", {"Allow": "GET, HEAD"})
        return HttpResponse("ready\n", content_type="text/plain; charset=utf-8")


def take(streams: Iterator[Decoded], maker: LineMaker) -> tuple[int, int, str]:
    """Store the entries of streams. Returns how many were stored and refused, and why the first was refused."""
    seen: dict[int, int] = {}
    taken, refused, reason = 0, 0, ""
    with Lines(maker) as lines:
        for labels, entries in streams:
            stream = Stream(labels, maker.digest(canonical(labels)))
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


def _declared_size(body: bytes) -> int:
    """Return the decompressed size that a snappy block declares. Raises `BodyTooLarge` before decompression."""
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
