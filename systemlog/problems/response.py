"""The response that carries a problem. No renderer touches its body, so that content negotiation cannot fail it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from systemlog import compat
from systemlog.correlation import get_correlation_id, new_id
from systemlog.problems.problem import MEDIA_TYPE, Problem

_tolerant = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

SAFE_IN_PATH = "/:@!$&'()*+,;=~"
"""The characters that RFC 3986 allows in a path besides letters, digits and `-._`."""

_is_plain = re.compile(r"/(?:[A-Za-z0-9._~-][A-Za-z0-9._~/-]*)?", re.ASCII).fullmatch
"""Matches paths that need no encoding, which most do not, and that do not begin with two slashes."""

BODY_HEADERS = ("Content-Encoding", "Content-Disposition", "Content-Range", "ETag", "Last-Modified")
"""Headers that describe a body, and are removed when a problem replaces it."""

_VARY = ("Vary", "Accept-Language")


class ProblemResponse(HttpResponse):
    """A response whose body is a problem.

    `data` is the body before it is JSON, as in REST framework's responses. An exception handler around ours may change
    it; ProblemMiddleware then calls `rewrite`.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        head: bool = False,
        headers: Mapping[str, str] | None = None,
        language: str | None = None,
    ) -> None:
        self.problem = problem
        self.data: Any = problem.as_dict()
        self._body = body = encode(self.data)
        self._head = head
        super().__init__(b"" if head else body, content_type=MEDIA_TYPE, status=problem.status)
        if head:
            self.headers["Content-Length"] = str(len(body))
        if language is not None and not headers:
            # A language code needs no check, and setting a header without one costs a tenth.
            compat.stored_headers(self).update({"content-language": ("Content-Language", language), "vary": _VARY})
            return
        for name, value in (headers or {}).items():
            self.headers[name] = value
        set_language(self, language)

    def rewrite(self) -> None:
        """Encode the body again if `data` or the status has changed. Raises the exceptions of `encode`."""
        if isinstance(self.data, dict) and "status" in self.data:
            self.data["status"] = self.status_code  # RFC 9457, section 3.1.3, demands that the two are equal
        body = encode(self.data)
        if body != self._body:
            self._body = body
            self.content = b"" if self._head else body
            self.headers["Content-Length"] = str(len(body))


def encode(body: Mapping[str, object]) -> bytes:
    """Return the body as one line of JSON that ends in a line break, for readers of curl's output.

    Raises TypeError or ValueError if JSON cannot represent a member.
    """
    try:
        return orjson.dumps(body, default=_tolerant.default, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # orjson refuses lone surrogates and integers beyond 64 bits
        return _tolerant.encode(body).encode("utf-8", "replace") + b"\n"


def set_body(response: HttpResponse | StreamingHttpResponse, problem: Problem, *, head: bool) -> None:
    """Make `problem` the body of a response that a view or middleware made. Other headers and cookies stay."""
    response.data = problem.as_dict()  # type: ignore[union-attr]  # REST framework's name for a body before it is JSON
    body = encode(response.data)  # type: ignore[union-attr]  # set above
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = [b"" if head else body]
    else:
        response.content = b"" if head else body
    for name in BODY_HEADERS:
        # In a 416, Content-Range does not describe the body: it contains the length of the file.
        if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or name != "Content-Range":
            del response.headers[name]
    response.headers["Content-Type"] = MEDIA_TYPE
    response.headers["Content-Length"] = str(len(body))


def set_language(response: HttpResponseBase, language: str | None) -> None:
    """Set Content-Language to `language`, and add Accept-Language to Vary. None changes nothing."""
    if language is not None:
        response.headers["Content-Language"] = language
        if response.has_header("Vary"):
            patch_vary_headers(response, ["Accept-Language"])
        else:
            response.headers["Vary"] = "Accept-Language"


def instance_of(request: HttpRequest) -> str:
    """Return the request's path, without the query string, as an ASCII URI reference that cannot name another host."""
    path: str = request.path
    if _is_plain(path):
        return path
    path = quote("/" + path.removeprefix("/"), SAFE_IN_PATH, errors="replace")
    # "//evil/" would refer to the host "evil".
    return "/%2F" + path[2:] if path.startswith("//") else path


def correlation_id_of(request: HttpRequest) -> str:
    """Return the correlation id of the request. Makes one if CorrelationMiddleware is not installed."""
    known: str | None = getattr(request, "correlation_id", None) or get_correlation_id()
    if known is None:
        known = new_id()
        request.correlation_id = known  # type: ignore[attr-defined]  # the attribute that the middleware sets
    return known


def phrase(status: int) -> str:
    """Return the reason phrase of a status, which RFC 9457 makes the title of an `about:blank` problem."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown error"
