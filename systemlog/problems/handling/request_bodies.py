"""Makes request bodies of unknown length readable, and makes reading a body fail if the connection ends too early.

A chunked request has no Content-Length, and Django and DRF take its body for empty. Under ASGI Django has received the
whole body before the request begins, so the length is measured at once. Under WSGI nothing is read in advance: a view
that reads the stream gets the chunks as they arrive. DRF and Django's form parser ask for the length before they read;
`MeasuredLength` then spools the body and counts its bytes. A view that ignores the body does not wait for it.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, UnreadablePostError

from systemlog import compat

PIECE_BYTES = 64 * 1024
BROKE_OFF = "The body broke off."


def wrap_body(request: HttpRequest) -> None:
    """Replace the request's stream: a chunked body can be read, and a body that ends early raises an exception.

    A request without a body costs two dictionary lookups.
    """
    meta = request.META
    if "HTTP_TRANSFER_ENCODING" not in meta:
        if (length := meta.get("CONTENT_LENGTH")) and isinstance(request, WSGIRequest) and length.isdecimal():
            compat.replace_input_stream(request, WholeStream(meta["wsgi.input"], int(length)))
        return
    if isinstance(request, ASGIRequest):
        stream = compat.input_stream(request)
        meta["CONTENT_LENGTH"] = str(stream.seek(0, os.SEEK_END))
        stream.seek(0)
    elif meta.get("wsgi.input_terminated") and not meta.get("CONTENT_LENGTH"):
        body = ChunkedBody(meta["wsgi.input"], spools_all=str(request.content_type).startswith("multipart/"))
        # Django's stream takes the missing length for 0, and would end before the first byte.
        meta["wsgi.input"] = body
        compat.replace_input_stream(request, body)
        meta["CONTENT_LENGTH"] = MeasuredLength(body)


class WholeStream(io.IOBase):
    """A body of known length. Django's own stream would take the end of the connection for the end of the body."""

    def __init__(self, source: Any, length: int) -> None:
        self._source = source
        self._left = length

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes, or the rest. Raises `UnreadablePostError` if the connection ends too early."""
        if size is not None and 0 <= size < self._left:
            return self._take(self._source.read, size)
        # A read of a given size may return less than that. A read of the rest may not.
        data = self._take(self._source.read, self._left)
        while self._left:
            data += self._take(self._source.read, self._left)
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line. Raises `UnreadablePostError` if the connection ends too early."""
        return self._take(self._source.readline, self._left if size is None or size < 0 else min(size, self._left))

    def _take(self, read: Callable[[int], bytes], size: int) -> bytes:
        if not size:
            return b""
        data = read(size)
        if not data:
            raise UnreadablePostError(BROKE_OFF)
        self._left -= len(data)
        return data


class ChunkedBody(io.RawIOBase):
    """A chunked body as a stream. Reads from the spool file, if `length` has made one, then from the server."""

    def __init__(self, source: Any, *, spools_all: bool) -> None:
        self._source = source
        self._spools_all = spools_all
        self._spool: Any = None
        self._taken = 0
        self._length: int | None = None

    def readable(self) -> bool:
        """Return True, as `io.RawIOBase` asks of a stream that can be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes, or the rest. The result is shorter than `size` only at the end of the body.

        Raises `RequestDataTooBig` if the rest is longer than DATA_UPLOAD_MAX_MEMORY_SIZE, and `UnreadablePostError` if
        the server cannot read on.
        """
        if size is not None and size >= 0:
            return self._read_up_to(size)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit is None or self._spools_all:
            return self._read_all()
        data = self._read_up_to(limit + 1)
        if len(data) > limit:
            raise RequestDataTooBig("Request body exceeded settings.DATA_UPLOAD_MAX_MEMORY_SIZE.")
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line."""
        return super().readline(-1 if size is None else size)

    def length(self) -> int:
        """Spool the body and return its length. Waits for the client.

        The length is exact for a multipart body and for one within DATA_UPLOAD_MAX_MEMORY_SIZE. Of a longer body one
        byte beyond the limit is counted, which is enough to refuse it.
        """
        if self._length is None:
            limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            wanted = None if limit is None or self._spools_all else max(0, limit + 1 - self._taken)
            self._length = self._taken + self._fill_spool(wanted)
        return self._length

    def close(self) -> None:
        """Delete the spool file."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        super().close()

    def _fill_spool(self, wanted: int | None) -> int:
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


class MeasuredLength(str):
    """The Content-Length of a chunked body: the empty string, because the client sent none, until `int()` measures it.

    DRF and Django's form parser call `int()` on the header, and read the body only if the result is not 0. WSGI demands
    a string, and code that treats the header as a string must find it empty.
    """

    __slots__ = ("_body",)
    _body: ChunkedBody

    def __new__(cls, body: ChunkedBody) -> MeasuredLength:
        length = super().__new__(cls, "")
        length._body = body
        return length

    def __int__(self) -> int:
        return self._body.length()
