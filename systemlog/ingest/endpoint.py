"""The common base of all protocols' endpoints: authentication, limits of memory, and answers to errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from django.db import InterfaceError, OperationalError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from systemlog.conf import conf
from systemlog.ingest.authentication import authenticate, check_may_write
from systemlog.ingest.errors import NoRoom, ProtocolError, mark, text_error
from systemlog.ingest.mapping import LineMaker
from systemlog.ingest.streams import BodyBroken, BodyTooLarge, UnknownEncoding
from systemlog.journal import accept_lines

MAX_SENT_BYTES = 32 * 2**20
MAX_HELD_BYTES = 64 * 2**20
"""The largest decompressed body of a protocol whose bodies are held in memory as a whole."""

HELD_BYTES = 2**30
"""How many bytes of bodies, and of the objects made from them, all requests of a process may hold together.

A request may hold more while no other large request is processed.
"""

FREE_BYTES = 2**20
"""A request that holds at most this much is not counted."""

BATCH_LINES = 500


class _Budget:
    """Counts the bytes that the requests of this process hold."""

    def __init__(self) -> None:
        self._held = 0
        self._lock = threading.Lock()

    def take(self, size: int, own: int) -> None:
        """Count `size` more bytes for a request that holds `own`. Raises `NoRoom` if other requests hold too much."""
        with self._lock:
            if self._held + size > HELD_BYTES and self._held > own:
                raise NoRoom("The server holds as many large requests as it can.")
            self._held += size

    def give_back(self, size: int) -> None:
        """Count `size` bytes less."""
        with self._lock:
            self._held -= size


_budget = _Budget()


@contextmanager
def holding() -> Iterator[Callable[[int], None]]:
    """Count what one request holds, until the end of the `with` block.

    The request calls the function that this yields with the size of each piece. That function raises `NoRoom`.
    """
    held = taken = 0

    def hold(size: int) -> None:
        nonlocal held, taken
        held += size
        if held > FREE_BYTES:
            _budget.take(held - taken, taken)
            taken = held

    try:
        yield hold
    finally:
        if taken:
            _budget.give_back(taken)


@method_decorator(csrf_exempt, name="dispatch")
class Endpoint(View):
    """A view of one protocol. Subclasses implement `respond`."""

    protocol: ClassVar[str]
    """The protocol's name in `SYSTEMLOG["INGEST"]`."""

    @staticmethod
    def error_format(request: HttpRequest, status: int, text: str) -> HttpResponse:
        """Return the response to an error in the protocol's format: by default one line of text."""
        return text_error(request, status, text)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the response of `respond`, or an error in the protocol's format."""
        try:
            if self.protocol not in conf().INGEST:
                raise ProtocolError(404, f"The protocol {self.protocol} is switched off here.")
            return self.respond(request, **kwargs)
        except ProtocolError as raised:
            error = raised
        except BodyTooLarge:
            error = ProtocolError(413, "The body is larger than the server takes.")
        except BodyBroken as broken:
            error = ProtocolError(400, str(broken))
        except UnknownEncoding:
            error = ProtocolError(415, "The only Content-Encoding taken is gzip.", {"Accept-Encoding": "gzip"})
        except (OperationalError, InterfaceError):
            error = NoRoom("The database that knows the token does not answer.")
        return self.answer_error(request, error)

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        """Answer the request. May raise the errors that `dispatch` converts."""
        raise NotImplementedError

    def answer_error(self, request: HttpRequest, error: ProtocolError) -> HttpResponse:
        """Return the response to an error, in the protocol's format."""
        response = type(self).error_format(request, error.status, error.text)
        for name, value in error.headers.items():
            response.headers[name] = value
        return mark(response)

    def writer(self, request: HttpRequest) -> LineMaker:
        """Return a `LineMaker` for the user who posts records. Raises `ProtocolError` (401, 405 or 403)."""
        user = authenticate(request)
        check_method(request, "POST")
        check_may_write(user)
        return LineMaker(user.get_username())


class Nothing(Endpoint):
    """Answers all other paths below those of Loki and journald with 404 in the format that their clients read."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer 404."""
        return self.answer_error(request, ProtocolError(404, "There is no such path here."))


def check_method(request: HttpRequest, *methods: str) -> None:
    """Raise `ProtocolError` (405) unless the request has one of `methods`."""
    if request.method not in methods:
        raise ProtocolError(405, f"Send {' or '.join(methods)}.", {"Allow": ", ".join(methods)})


def check_media_type(request: HttpRequest, *media_types: str) -> None:
    """Raise `ProtocolError` (415) unless the body has one of `media_types`."""
    if request.content_type not in media_types:
        raise ProtocolError(415, f"Send {' or '.join(media_types)}.", {"Accept": ", ".join(media_types)})


class Lines:
    """Appends the lines of a request to the journal in batches.

    As a context manager, it appends the last batch at the end, also where the body turns out to be broken or too large.
    """

    __slots__ = ("_lines", "_maker")

    def __init__(self, maker: LineMaker) -> None:
        self._maker = maker
        self._lines: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, BodyBroken | BodyTooLarge):
            self.flush()

    def add(self, line: bytes) -> None:
        """Add a line. Raises `NoRoom` if the journal is full."""
        self._lines.append(line)
        if len(self._lines) == BATCH_LINES:
            self.flush()

    def flush(self) -> None:
        """Append the lines that were added since the last call. Raises `NoRoom` if the journal is full."""
        lines, self._lines = self._lines, []
        if lines and accept_lines(lines, self._maker.username) < len(lines):
            raise NoRoom
        self._maker.look_at_the_clock()


def outside_transactions(view: Any) -> Any:
    """Return the view, exempt from ATOMIC_REQUESTS, so that an error does not roll back records stored before it."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def read_whole(pieces: Iterator[bytes], hold: Callable[[int], None]) -> bytes:
    """Return the whole body. Raises `NoRoom`, and the errors of `pieces`."""
    parts: list[bytes] = []
    for piece in pieces:
        hold(len(piece))
        parts.append(piece)
    return b"".join(parts)
