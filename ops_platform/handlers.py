"""Django's WSGI and ASGI handlers with requests that are always read as UTF-8.

Django uses the `charset` of a request as its encoding before any middleware runs. A charset that is no text encoding,
or a query string with too many parameters, would cause a 500 there that no middleware can turn into a problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from ops_platform import deadlines
from ops_platform.compat import UTF8ASGIRequest, UTF8WSGIRequest


class UTF8WSGIHandler(WSGIHandler):
    """Django's WSGI handler. Responses to HEAD have no body, and HTTP/1.1 without Host is refused.

    gunicorn would log a warning for each body of a HEAD response, which it drops.
    """

    request_class = UTF8WSGIRequest

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:  # type: ignore[override]  # all that WSGI asks for
        """Answer a request."""
        name_host(environ)
        response = super().__call__(environ, start_response)
        return NoBody(response.close) if environ["REQUEST_METHOD"] == "HEAD" else response


class NoBody:
    """The empty body of a response to HEAD, which closes the response as usual."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


def name_host(environ: dict[str, Any]) -> None:
    """Set HTTP_HOST to the host that HTTP/1.1 defines (RFC 9112, section 3.2): that of the target, else the header's.

    Without either, Django would use the address of the server, which the client did not send. HTTP_HOST is then empty,
    which ALLOWED_HOSTS refuses. `RAW_URI` is gunicorn's name for the target as it was sent.
    """
    scheme, separator, rest = environ.get("RAW_URI", "").partition("://")
    if separator and scheme.lower() in ("http", "https"):
        environ["HTTP_HOST"] = re.split("[/?#]", rest, maxsplit=1)[0]
    elif "RAW_URI" in environ and environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        environ.setdefault("HTTP_HOST", "")


class UTF8ASGIHandler(ASGIHandler):
    """Django's ASGI handler."""

    request_class = UTF8ASGIRequest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, with the timeout for statements. An ASGI server has a task for each request."""
        deadlines.begin()
        await super().__call__(scope, receive, send)
