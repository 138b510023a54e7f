"""Requests whose Content-Type chooses no encoding: everything here is UTF-8.

Django makes the `charset` of a request its encoding, before any middleware runs: a codec that is none for text, or a
query string with too many parameters, would end there in a 500 that nobody can shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest
from django.utils.http import parse_header_parameters

from ops_platform import deadlines


class UTF8Mixin(HttpRequest):
    """A request that is read as UTF-8, whatever its `charset` says."""

    def _set_content_type_params(self, meta: Mapping[str, str]) -> None:
        # Django's own, but for the encoding.
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class UTF8WSGIRequest(UTF8Mixin, WSGIRequest):
    """Under WSGI."""


class UTF8ASGIRequest(UTF8Mixin, ASGIRequest):
    """Under ASGI."""


class UTF8WSGIHandler(WSGIHandler):
    """Django's WSGI application with such requests. Answers to HEAD have no body; HTTP/1.1 without Host is refused.

    gunicorn logs a warning for each body that it has to drop.
    """

    request_class = UTF8WSGIRequest

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # type: ignore[override]  # all that WSGI asks for
        """Answer a request."""
        name_host(environ)
        response = super().__call__(environ, start_response)
        return NoBody(response.close) if environ["REQUEST_METHOD"] == "HEAD" else response


class NoBody:
    """The body of an answer to HEAD: nothing, but the response is closed as usual."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def name_host(environ: dict[str, Any]) -> None:
    """Have ALLOWED_HOSTS decide about the host that HTTP/1.1 means (RFC 9112 3.2): of the target, or the header's.

    Without either Django would take the address of the server, which is no word of the client's; so the name is empty,
    and refused. `RAW_URI` is the target as gunicorn got it.
    """
    scheme, separator, rest = environ.get("RAW_URI", "").partition("://")
    if separator and scheme.lower() in ("http", "https"):
        environ["HTTP_HOST"] = re.split("[/?#]", rest, maxsplit=1)[0]
    elif "RAW_URI" in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        environ.setdefault("HTTP_HOST", "")


class UTF8ASGIHandler(ASGIHandler):
    """Django's ASGI application with such requests."""

    request_class = UTF8ASGIRequest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; an ASGI server has a task for each."""
        deadlines.begin()
        await super().__call__(scope, receive, send)
