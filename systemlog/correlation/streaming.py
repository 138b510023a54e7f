"""Bodies that are produced after the middleware has returned: each step runs with the request's correlation.

The variable is set for the step and put back after it, never left to a `close()` that a server may not call.
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

from systemlog.correlation.context import Correlation, _current, carried

Ended = Callable[[int, bool], None]
"""Is told once how many bytes went out, and whether the body came to its end."""


def runs_code(response: HttpResponseBase) -> TypeGuard[StreamingHttpResponse]:
    """Whether code of the project runs while a streaming body goes out: a file is left to the server's `sendfile`."""
    return not isinstance(getattr(response, "file_to_stream", None), io.IOBase | File)


def accompany(response: StreamingHttpResponse, correlation: Correlation, ended: Ended | None) -> None:
    """Let the body of `response` be produced, and closed, with `correlation` current."""
    correlation.pin_trace()
    # Django's closers run after everything else, the generator's own `finally` among them.
    closers = response._resource_closers  # type: ignore[attr-defined]  # Django's, not in its stubs
    closers[:] = [carried(correlation, closer) for closer in closers]
    # What the view gave, not `streaming_content`: that refers to the response, which would then be in a cycle with its
    # body, and a body that nobody reads to its end be closed whenever the garbage collector runs, in whatever context.
    chunks = response._iterator  # type: ignore[attr-defined]  # Django's, not in its stubs
    body = AsyncBody if response.is_async else Body
    response.streaming_content = body(chunks, response.charset, correlation, ended)


class _Counted:
    """What is counted of a body, and that its end is told once."""

    __slots__ = ("_charset", "_chunks", "_correlation", "_ended", "_is_over", "_size", "_token")

    def __init__(self, chunks: object, charset: str, correlation: Correlation, ended: Ended | None) -> None:
        self._chunks = chunks
        self._charset = charset
        self._correlation = correlation
        self._ended = None if ended is None else carried(correlation, ended)
        self._is_over = False
        self._size = 0

    def close(self) -> None:
        """The response was closed: if the body had not ended, it never will."""
        self._is_over = True
        self._end(completed=False)

    def __enter__(self) -> None:
        """One step begins: the code of the project runs next."""
        self._token = _current.set(self._correlation)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """The step is over; an exception other than the iterator's own end cuts the body short."""
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
        """A server has let go of the body, and neither read it to its end nor closed it."""
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
            # Where nobody calls `close()`, the event loop closes what is let go of, and knows no correlation.
            await self._close_chunks()
            super().close()

    def close(self) -> None:
        """The response was closed, by Django in a thread: a body that has not ended does so now, in the event loop."""
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
