"""Request bodies as they arrive: bounded, decompressed, in pieces or in lines.

A body that ends in the wrong place raises, after everything that came before it has been given out, so that the good
records of a broken body are kept. Nothing here knows a database or a response.
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
"""How long a body is worked on before anybody asks whether its client is still there."""

DRAIN_BYTES = 64 * 2**20
"""So much of a body that is too large is read and thrown away, so that its sender hears the answer."""

_line = re.compile(rb"[^ \t\r\n][^\n]*")


class BodyBroken(SystemLogError):
    """The body breaks off, or is not what it says: no gzip, no JSON array."""


class BodyTooLarge(SystemLogError):
    """The body is larger than the limit, as sent or decompressed."""


class UnknownEncoding(SystemLogError):
    """The body has a Content-Encoding other than gzip."""


class TooLong:
    """Stands for a line that is longer than the limit, and was not kept."""


TOO_LONG: Final = TooLong()


def read_pieces(
    request: HttpRequest,
    *,
    max_sent: int | None,
    max_decoded: int | None,
    plain: Collection[str] = (),
) -> Iterator[bytes]:
    """The body, decompressed, piece by piece. `plain` are Content-Encodings that mean nothing to be undone here.

    Raises `UnknownEncoding` at once; `BodyTooLarge` and `BodyBroken` at the piece where it shows.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", *plain):
        raise UnknownEncoding
    pieces = _pieces(request)
    if max_sent is not None:
        pieces = _bounded(pieces, max_sent)
        if _declared_length(request) > max_sent:
            if request.headers.get("Expect", "").lower() != "100-continue":  # such a client sends it only when asked to
                with suppress(BodyBroken):
                    deque(pieces, maxlen=0)  # taken, so that the answer is heard
            raise BodyTooLarge
    if encoding.endswith("gzip"):
        pieces = decompressed(pieces, max_decoded)
    return _attended(pieces, request)


def read_lines(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes | TooLong]:
    """Each line that is not blank, without its line break; `TOO_LONG` in place of one with more than `max_bytes`."""
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
        # Blank lines are passed over by the regular expression: a body may have millions.
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
        # A chunked body: Django takes one without a length for empty, the server knows where it ends.
        return environ["wsgi.input"].read  # type: ignore[no-any-return]  # WSGI's environ is untyped
    return request.read


def _declared_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    """The body as it arrives. Raises `BodyBroken` where it breaks off, after all that came before."""
    read = _reader(request)
    missing = _declared_length(request)
    while True:
        try:
            piece = read(CHUNK_BYTES)
        except Exception as error:
            # What the server read before the error, gunicorn gives out when it is asked again.
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
                for piece in pieces:  # noqa: PLW2901  (thrown away, so that the sender hears the answer)
                    size += len(piece)
                    if size > limit + DRAIN_BYTES:
                        break
            raise BodyTooLarge
        yield piece


def decompressed(pieces: Iterator[bytes], limit: int | None) -> Iterator[bytes]:
    """The decompressed body in pieces of some size: many tiny gzip streams must not become as many tiny pieces."""
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
            if inflate.eof:  # gzip allows one stream after another
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
                    deque(pieces, maxlen=0)  # the rest of the body is bounded: take it, so that the answer is heard
                raise BodyTooLarge
            yield data
    if not begun or not inflate.eof:
        raise BodyBroken("The body is no gzip, or it breaks off.")


def _attended(pieces: Iterator[bytes], request: HttpRequest) -> Iterator[bytes]:
    """The pieces, as long as there is a client: 2 kB of gzip can hold many seconds of work.

    Raises `BodyBroken` when the client has closed the connection. One that has closed its own side alone cannot be told
    from that, and is let have a second.
    """
    began = time.monotonic()
    for piece in pieces:
        if time.monotonic() - began > PATIENCE_S and client_has_left(request):
            raise BodyBroken("The client has left.")
        yield piece
