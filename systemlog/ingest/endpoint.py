"""What the endpoints of all protocols have in common: who may send, how much, and how errors are answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

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
"""Of a body that is held whole, decompressed."""

HELD_BYTES = 2**30
"""So many bytes of bodies, and of what they become, may all requests of a process hold; a lone one always may."""

FREE_BYTES = 2**20
"""Bodies up to here are not counted."""

BATCH_LINES = 500


class _Budget:
    """The bytes of bodies that the requests of this process hold."""

    def __init__(self) -> None:
        self._held = 0
        self._lock = threading.Lock()

    def take(self, size: int, own: int) -> None:
        """Hold `size` more, beside `own`. Raises `NoRoom` where others hold too much."""
        with self._lock:
            if self._held + size > HELD_BYTES and self._held > own:
                raise NoRoom("The server holds as many large requests as it can.")
            self._held += size

    def give_back(self, size: int) -> None:
        """Hold `size` less."""
        with self._lock:
            self._held -= size


_budget = _Budget()


@contextmanager
def holding() -> Iterator[Callable[[int], None]]:
    """Counts what one request holds: the function that this gives is told of each piece. Raises `NoRoom` there."""
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
    """A view of one protocol."""

    protocol: ClassVar[str]
    """Its name in `SYSTEMLOG["INGEST"]`."""

    @staticmethod
    def error_form(request: HttpRequest, status: int, text: str) -> HttpResponse:
        """The answer to an error, in the protocol's form."""
        raise NotImplementedError

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer, or tell an error in the protocol's form."""
        try:
            if self.protocol not in conf().INGEST:
                raise ProtocolError(404, f"The protocol {self.protocol} is switched off here.")
            return self.respond(request, **kwargs)
        except ProtocolError as error:
            status, text, headers = error.status, error.text, error.headers
        except BodyTooLarge:
            status, text, headers = 413, "The body is larger than the server takes.", {}
        except BodyBroken as error:
            status, text, headers = 400, str(error), {}
        except UnknownEncoding:
            text, headers = "The only Content-Encoding taken is gzip.", {"Accept-Encoding": "gzip"}
            status = 415
        except (OperationalError, InterfaceError):
            error_ = NoRoom("The database that knows the token does not answer.")
            status, text, headers = error_.status, error_.text, error_.headers
        return self.error(request, status, text, headers)

    def respond(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        """Answer the request; raises what `dispatch` knows."""
        raise NotImplementedError

    def error(self, request: HttpRequest, status: int, text: str, headers: dict[str, str]) -> HttpResponse:
        """The answer to an error."""
        response = type(self).error_form(request, status, text)
        for name, value in headers.items():
            response.headers[name] = value
        return mark(response)

    def writer(self, request: HttpRequest, *methods: str) -> LineMaker:
        """Who sends records, by one of `methods`; makes their lines. Raises 401, 405 and 403, whichever comes first."""
        user = authenticate(request)
        if request.method not in methods:
            raise ProtocolError(405, f"Send {' or '.join(methods)}.", {"Allow": ", ".join(methods)})
        check_may_write(user)
        return LineMaker(user.get_username())


class Nothing(Endpoint):
    """Other paths below those of Loki and journald: 404, as their clients read it."""

    @staticmethod
    def error_form(request: HttpRequest, status: int, text: str) -> HttpResponse:
        """One line of text."""
        return text_error(request, status, text)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """There is nothing."""
        return self.error(request, 404, "There is no such path here.", {})


class Lines:
    """The lines of a request on their way into the journal, in batches."""

    __slots__ = ("_lines", "_maker", "accepted")

    def __init__(self, maker: LineMaker) -> None:
        self._maker = maker
        self._lines: list[bytes] = []
        self.accepted = 0

    def add(self, line: bytes) -> None:
        """Take one. Raises `NoRoom` where the journal is full."""
        self._lines.append(line)
        if len(self._lines) == BATCH_LINES:
            self.flush()

    def flush(self) -> None:
        """Have the journal take those that wait."""
        lines, self._lines = self._lines, []
        if lines:
            taken = accept_lines(lines, self._maker.username)
            self.accepted += taken
            if taken < len(lines):
                raise NoRoom
        self._maker.look_at_the_clock()


def outside_transactions(view: Any) -> Any:
    """Return the view, exempt from ATOMIC_REQUESTS, so that an error does not roll back records stored before it."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def read_whole(pieces: Iterator[bytes], hold: Callable[[int], None]) -> bytes:
    """All of a body. Raises `NoRoom`, and what `pieces` raises."""
    parts: list[bytes] = []
    for piece in pieces:
        hold(len(piece))
        parts.append(piece)
    return b"".join(parts)
