"""Reading request bodies as they arrive: bounded, decompressed, in pieces or in lines.

Everything before the place where a body breaks off is yielded before the error is raised, so that the good records of a
broken body are kept. This module uses no database and makes no response.
"""

from __future__ import annotations

import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any, Final

from django.http import HttpRequest

from systemlog.compat import client_has_left
from systemlog.exceptions import SystemLogError

CHUNK_BYTES = 64 * 1024

PATIENCE_S = 1.0
"""How long a body is processed before the first check whether the client is still connected."""

DRAIN_BYTES = 64 * 2**20
"""How much of a body that is too large is read and discarded, so that the client reads the answer."""

_line = re.compile(rb"[^ \t\r\n][^\n]*")


class BodyBroken(SystemLogError):
    """The body breaks off, or is not in the format that it should have."""


class BodyTooLarge(SystemLogError):
    """The body exceeds the limit, as sent or decompressed."""


class UnknownEncoding(SystemLogError):
    """The body has a Content-Encoding other than gzip."""


class TooLong:
    """Stands for a line that is longer than the limit and was not kept."""


TOO_LONG: Final = TooLong()


def read_pieces(
    request: HttpRequest,
    *,
    max_sent: int | None,
    max_decoded: int | None,
    plain: Collection[str] = (),
) -> Iterator[bytes]:
    """Return the pieces of the decompressed body. A body with a Content-Encoding in `plain` stays as it is.

    Raises `UnknownEncoding`, and `BodyTooLarge` for a Content-Length above `max_sent`. The pieces raise `BodyTooLarge`
    and `BodyBroken`.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", *plain):
        raise UnknownEncoding
    pieces = _pieces(request)
    if max_sent is not None:
        pieces = _bounded(pieces, max_sent)
        if _declared_length(request) > max_sent:
            # A client that expects 100 has not sent the body yet.
            if request.headers.get("Expect", "").lower() != "100-continue":
                with suppress(BodyBroken):
                    deque(pieces, maxlen=0)  # read the body, so that the client reads the answer
            raise BodyTooLarge
    if encoding.endswith("gzip"):
        pieces = decompressed(pieces, max_decoded)
    return _attended(pieces, request)


def read_lines(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes | TooLong]:
    """Yield each line that is not blank, without its line break; `TOO_LONG` for a line above `max_bytes`."""
    kept: list[bytes] = []
    size = 0
    for piece in pieces:
        end = piece.rfind(b"\n")
        if end < 0:
            size += len(piece)
            if size <= max_bytes:
                kept.append(piece)
            else:
                kept.clear()
            continue
        if size > max_bytes:  # a line that was too long ends here
            yield TOO_LONG
            start = piece.find(b"\n") + 1
            complete = piece[start:end] if start <= end else b""
        else:
            complete = b"".join((*kept, piece[:end])) if kept else piece[:end]
        # The regular expression skips blank lines, of which a body may have millions.
        for match in _line.finditer(complete):
            line = match.group()
            yield line if len(line) <= max_bytes else TOO_LONG
        kept = [piece[end + 1 :]]
        size = len(kept[0])
    if size > max_bytes:
        yield TOO_LONG
    elif line := b"".join(kept).strip(b" \t\r\n"):
        yield line


def _reader(request: HttpRequest) -> Callable[[int], bytes]:
    environ: dict[str, Any] = getattr(request, "environ", {})
    if not request.META.get("CONTENT_LENGTH") and environ.get("wsgi.input_terminated"):
        # A chunked body has no length, which to Django means an empty body. The server knows where the body ends.
        return environ["wsgi.input"].read  # type: ignore[no-any-return]  # WSGI's environ is untyped
    return request.read


def _declared_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    """Yield the body as it arrives. Raises `BodyBroken` where the body breaks off."""
    read = _reader(request)
    missing = _declared_length(request)
    while True:
        try:
            piece = read(CHUNK_BYTES)
        except Exception as error:  # each server raises errors of its own
            # gunicorn returns the bytes that it read before the error when it is called again.
            with suppress(Exception):
                yield read(CHUNK_BYTES)
            raise BodyBroken("The body breaks off.") from error
        if not piece:
            break
        missing -= len(piece)
        yield piece
    if missing > 0:
        raise BodyBroken("The body is shorter than its Content-Length.")


def _bounded(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            with suppress(BodyBroken):
                for piece in pieces:  # noqa: PLW2901  (discarded, so that the client reads the answer)
                    size += len(piece)
                    if size > limit + DRAIN_BYTES:
                        break
            raise BodyTooLarge
        yield piece


def decompressed(pieces: Iterator[bytes], limit: int | None) -> Iterator[bytes]:
    """Yield the decompressed body in pieces of at least `CHUNK_BYTES`, also if it is made of many tiny gzip streams."""
    kept = bytearray()
    try:
        for data in _inflated(pieces, limit):
            kept += data
            if len(kept) >= CHUNK_BYTES:
                yield bytes(kept)
                kept.clear()
    except BodyBroken:
        yield bytes(kept)
        raise
    yield bytes(kept)


def _inflated(pieces: Iterator[bytes], limit: int | None) -> Iterator[bytes]:
    inflate, size, begun = zlib.decompressobj(wbits=31), 0, False
    for piece in pieces:
        begun, rest, full = True, piece, False
        while rest or full:
            if inflate.eof:  # a gzip body may consist of several streams
                inflate = zlib.decompressobj(wbits=31)
            try:
                data = inflate.decompress(rest, CHUNK_BYTES)
            except zlib.error as error:
                raise BodyBroken("The body is no gzip.") from error
            rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            full = len(data) == CHUNK_BYTES and not inflate.eof
            size += len(data)
            if limit is not None and size > limit:
                with suppress(BodyBroken):
                    deque(pieces, maxlen=0)  # read the rest, which is bounded, so that the client reads the answer
                raise BodyTooLarge
            yield data
    if not begun or not inflate.eof:
        raise BodyBroken("The body is no gzip, or it breaks off.")


def _attended(pieces: Iterator[bytes], request: HttpRequest) -> Iterator[bytes]:
    """Yield the pieces as long as the client is connected, because 2 kB of gzip can take many seconds to process.

    Raises `BodyBroken` when the client has closed the connection. A client that has closed only its own side cannot be
    distinguished from that, so nothing is checked in the first `PATIENCE_S`.
    """
    began = time.monotonic()
    for piece in pieces:
        if time.monotonic() - began > PATIENCE_S and client_has_left(request):
            raise BodyBroken("The client has left.")
        yield piece
