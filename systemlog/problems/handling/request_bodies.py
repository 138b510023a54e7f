"""Request bodies as they arrive: of unknown length, which Django and DRF take for empty, and those that break off.

Of a chunked body the length is missing. Under ASGI the body is there when the request begins, and is measured. Under
WSGI it is left where it is until somebody asks: who reads the stream gets it as it arrives; who asks for the length, as
DRF and Django's form parser do before they read, gets what `LazyLength` finds by putting the body aside first. A view
that does neither reads nothing. A body that ends before its length is reached is no shorter body: reading it fails.
"""

from __future__ import annotations

import io
import os
import tempfile
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.http import HttpRequest, UnreadablePostError

PIECE_BYTES = 64 * 1024
BROKE_OFF = "The body broke off."


def wrap_body(request: HttpRequest) -> None:
    """Give a body of unknown length a way in, and one of known length an end. Costs two lookups where there is none."""
    meta = request.META
    if "HTTP_TRANSFER_ENCODING" not in meta:
        if meta.get("CONTENT_LENGTH") and isinstance(request, WSGIRequest):
            stream: Any = request._stream
            if request.__dict__.get("_read_started"):
                return
            request._stream = WholeStream(meta["wsgi.input"], stream.limit)  # type: ignore[assignment]  # as Django's
        return
    if isinstance(request, ASGIRequest):
        stream = request._stream
        meta["CONTENT_LENGTH"] = str(stream.seek(0, os.SEEK_END))
        stream.seek(0)
    elif meta.get("wsgi.input_terminated") and not meta.get("CONTENT_LENGTH"):
        body = ChunkedBody(meta["wsgi.input"], spools_all=str(request.content_type).startswith("multipart/"))
        # Django's stream ends at the length, which it takes for 0.
        meta["wsgi.input"] = request._stream = body  # type: ignore[assignment]  # a stream of bytes all the same
        meta["CONTENT_LENGTH"] = LazyLength(body)


class WholeStream(LimitedStream):
    """A body of known length. Django's stream takes a connection that ends for the end of the body."""

    _pos: int

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, or all that is left. Raises `UnreadablePostError` where the body breaks off."""
        left = self.limit - self._pos
        wanted = left if size is None or size < 0 else min(size, left)
        data: bytes = super().read(wanted)
        # Who asks for a piece may get less; who asks for all may not, and nothing at all is the end of the connection.
        while len(data) < wanted and (not data or wanted == left):
            more = super().read(wanted - len(data))
            if not more:
                raise UnreadablePostError(BROKE_OFF)
            data += more
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line."""
        line: bytes = super().readline(-1 if size is None else size)
        if not line and self._pos < self.limit and size != 0:
            raise UnreadablePostError(BROKE_OFF)
        return line


class ChunkedBody(io.RawIOBase):
    """The body as a stream, from the server or, once its length was asked for, from where it was put aside."""

    def __init__(self, source: Any, *, spools_all: bool) -> None:
        self._source = source
        self._spools_all = spools_all
        self._spool: Any = None
        self._taken = 0
        self._length: int | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, less only at the end; without a size all that is left, within Django's limit."""
        if size is None or size < 0:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            return self._read_all() if limit is None or self._spools_all else self._read_up_to(limit + 1)
        return self._read_up_to(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line."""
        return super().readline(-1 if size is None else size)

    def length(self) -> int:
        """How long the body is, at least; exact if it is within DATA_UPLOAD_MAX_MEMORY_SIZE or holds files."""
        if self._length is None:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            wanted = None if limit is None or self._spools_all else max(0, limit + 1 - self._taken)
            self._length = self._taken + self._put_aside(wanted)
        return self._length

    def close(self) -> None:
        """Forget what was put aside."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        super().close()

    def _put_aside(self, wanted: int | None) -> int:
        self._spool = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115  (closed with the body)
        size = 0
        while wanted is None or size < wanted:
            piece = self._from_source(PIECE_BYTES if wanted is None else min(PIECE_BYTES, wanted - size))
            if not piece:
                break
            size += self._spool.write(piece)
        self._spool.seek(0)
        return size

    def _read_up_to(self, size: int) -> bytes:
        pieces = []
        while size > 0:
            piece = self._read_some(size)
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _read_all(self) -> bytes:
        return b"".join(iter(lambda: self._read_some(PIECE_BYTES), b""))

    def _read_some(self, size: int) -> bytes:
        piece: bytes = self._spool.read(size) if self._spool is not None else b""
        if not piece:
            piece = self._from_source(size)
            self._taken += len(piece)
        return piece

    def _from_source(self, size: int) -> bytes:
        try:
            piece: bytes = self._source.read(size)
        except Exception as error:
            raise UnreadablePostError(BROKE_OFF) from error
        return piece


class LazyLength(str):
    """A Content-Length that is found out when somebody takes it for a number. As a text it is empty: none was sent."""

    __slots__ = ("_body",)
    _body: ChunkedBody

    def __new__(cls, body: ChunkedBody) -> LazyLength:
        length = super().__new__(cls, "")
        length._body = body
        return length

    def __int__(self) -> int:
        return self._body.length()

    def __bool__(self) -> bool:
        return True
