"""Wraps the bodies of streaming responses, which are produced after the middleware has returned.

The correlation is set for each step of the body's iterator and reset after it. It never stays set until `close()`,
which a server may not call.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import TypeGuard

from asgiref.sync import async_to_sync
from django.core.files import File
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase

from systemlog import compat
from systemlog.correlation.context import Correlation, _current, carried

Ended = Callable[[int, bool], None]
"""Called once at the end of a body, with the number of bytes sent and whether the body was complete."""


def runs_code(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Return whether the project's code produces the body. A file is left alone, so that sendfile can be used."""
    return not isinstance(getattr(response, "file_to_stream", None), io.IOBase | File)


def accompany(response: StreamingHttpResponse, correlation: Correlation, ended: Ended | None) -> None:
    """Wrap the body of `response`, so that it is produced and closed with `correlation` current.

    `ended` is called at the end of the body.
    """
    correlation.pin_trace()
    closers, chunks = compat.stream_parts(response)
    # Django calls these functions last, after the `finally` block of a generator.
    closers[:] = [carried(correlation, closer) for closer in closers]
    body = AsyncBody if response.is_async else Body
    response.streaming_content = body(chunks, response.charset, correlation, ended)


class _Counted:
    """Counts the bytes of a body, and calls `ended` once."""

    __slots__ = ("_charset", "_chunks", "_correlation", "_ended", "_is_over", "_size", "_token")

    def __init__(self, chunks: object, charset: str, correlation: Correlation, ended: Ended | None) -> None:
        self._chunks = chunks
        self._charset = charset
        self._correlation = correlation
        self._ended = None if ended is None else carried(correlation, ended)
        self._is_over = False
        self._size = 0

    def close(self) -> None:
        """End the body, as incomplete if it has not ended before."""
        self._is_over = True
        self._end(completed=False)

    def __enter__(self) -> None:
        """Set the correlation for one step of the iterator."""
        self._token = _current.set(self._correlation)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Reset the correlation, and end the body if the step raised: complete only if it was the iterator's end."""
        _current.reset(self._token)
        if kind is not None:
            self._is_over = True
            self._end(completed=issubclass(kind, StopIteration | StopAsyncIteration))

    def _count(self, chunk: object) -> bytes:
        data = bytes(chunk) if isinstance(chunk, bytes | memoryview) else str(chunk).encode(self._charset)
        self._size += len(data)
        return data

    def _end(self, *, completed: bool) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._size, completed)


class Body(_Counted):
    """A body produced by a plain iterator."""

    __slots__ = ()
    _chunks: Iterator[object]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self:
            return self._count(next(self._chunks))

    def __del__(self) -> None:
        """Close a body that the server has neither read to its end nor closed."""
        if not self._is_over:
            if isinstance(self._chunks, Generator):
                with self:
                    self._chunks.close()
            self.close()


class AsyncBody(_Counted):
    """A body produced by an asynchronous iterator."""

    __slots__ = ()
    _chunks: AsyncIterator[object]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                with self:
                    chunk = self._count(await anext(self._chunks))
                yield chunk
        except StopAsyncIteration:
            return
        finally:
            # If nobody calls `close()`, the event loop closes an abandoned generator, without the correlation.
            await self._close_chunks()
            super().close()

    def close(self) -> None:
        """End the body. Django calls this in a thread; an unfinished generator is closed in the event loop."""
        if not self._is_over and not _in_event_loop():
            async_to_sync(self._close_chunks)()
        super().close()

    async def _close_chunks(self) -> None:
        if isinstance(self._chunks, AsyncGenerator):
            with self:
                await self._chunks.aclose()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
