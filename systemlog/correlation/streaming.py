"""Bodies that are produced after the middleware has returned: each step runs with the request's correlation.

The variable is set for the step and put back after it, never left to a `close()` that a server may not call.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeGuard

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
    closers = response._resource_closers  # type: ignore[attr-defined]
    closers[:] = [carried(correlation, closer) for closer in closers]
    body = (AsyncBody if response.is_async else Body)(response.streaming_content, correlation, ended)
    response.streaming_content = body


class _Counted:
    """What is counted of a body, and that its end is told once."""

    __slots__ = ("_chunks", "_correlation", "_ended", "_size", "_token")

    def __init__(self, chunks: object, correlation: Correlation, ended: Ended | None) -> None:
        self._chunks = chunks
        self._correlation = correlation
        self._ended = None if ended is None else carried(correlation, ended)
        self._size = 0

    def close(self) -> None:
        """The response was closed: if the body had not ended, it never will."""
        self._end(completed=False)

    def __enter__(self) -> None:
        """One step begins: the code of the project runs next."""
        self._token = _current.set(self._correlation)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """The step is over; an exception other than the iterator's own end cuts the body short."""
        _current.reset(self._token)
        if kind is not None:
            self._end(completed=issubclass(kind, StopIteration | StopAsyncIteration))

    def _end(self, *, completed: bool) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self._size, completed)


class Body(_Counted):
    """A body produced by a plain iterator."""

    __slots__ = ()
    _chunks: Iterator[bytes]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self:
            chunk = next(self._chunks)
            self._size += len(chunk)
            return chunk


class AsyncBody(_Counted):
    """A body produced by an asynchronous iterator."""

    __slots__ = ()
    _chunks: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with self:
            chunk = await anext(self._chunks)
            self._size += len(chunk)
            return chunk
