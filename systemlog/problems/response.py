"""The response that carries a problem: the body as bytes, past any renderer, so that no negotiation can fail it."""

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

from systemlog.correlation import get_correlation_id, new_id
from systemlog.problems.problem import MEDIA_TYPE, Problem

_tolerant = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

SAFE_IN_PATH = "/:@!$&'()*+,;=~"
"""What RFC 3986 lets stand in a path besides letters, digits and `-._`."""

_is_plain = re.compile(r"/(?:[A-Za-z0-9._~-][A-Za-z0-9._~/-]*)?", re.ASCII).fullmatch
"""Most paths: nothing to encode, and no second slash at the start."""

OF_THE_OLD_BODY = ("Content-Encoding", "Content-Disposition", "Content-Range", "ETag", "Last-Modified")


OF_THE_LANGUAGE = ("Vary", "Accept-Language")


class ProblemResponse(HttpResponse):
    """An answer whose body is a problem.

    `data` is the body before it became JSON, as in DRF's responses: an exception handler around ours may add to it, and
    ProblemMiddleware writes the body anew by `rewrite`.
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
            # Below `headers`, where to set a value costs a tenth: a language code needs no check.
            self.headers._store.update({"content-language": ("Content-Language", language), "vary": OF_THE_LANGUAGE})
            return
        for name, value in (headers or {}).items():
            self.headers[name] = value
        mark_language(self, language)

    def rewrite(self) -> None:
        """Write the body by `data` and the status, where something has changed them. Raises what `encode` raises."""
        if isinstance(self.data, dict) and "status" in self.data:
            self.data["status"] = self.status_code  # RFC 9457, section 3.1.3: the two are the same
        body = encode(self.data)
        if body != self._body:
            self._body = body
            self.content = b"" if self._head else body
            self.headers["Content-Length"] = str(len(body))


def encode(body: Mapping[str, object]) -> bytes:
    """Write the body as one line of JSON, with its line break, so that a shell's prompt stands below it.

    Raises TypeError or ValueError for a member that JSON has no form for.
    """
    try:
        return orjson.dumps(body, default=_tolerant.default, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # lone surrogates, integers beyond 64 bits; or what neither can write
        return _tolerant.encode(body).encode("utf-8", "replace") + b"\n"


def put_into(response: HttpResponse | StreamingHttpResponse, problem: Problem, *, head: bool) -> None:
    """Make `problem` the body of a response that somebody else has made; its headers and cookies stay."""
    response.data = problem.as_dict()  # type: ignore[union-attr]  # REST framework's name for a body before it is JSON
    body = encode(response.data)  # type: ignore[union-attr]  # set above
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = [b"" if head else body]
    else:
        response.content = b"" if head else body
    for name in OF_THE_OLD_BODY:
        if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or name != "Content-Range":
            del response.headers[name]  # of a 416 it is no word about the body: it says how long the file is
    response.headers["Content-Type"] = MEDIA_TYPE
    response.headers["Content-Length"] = str(len(body))


def mark_language(response: HttpResponseBase, language: str | None) -> None:
    """Say in which language the body is, and that another request may get another."""
    if language is not None:
        response.headers["Content-Language"] = language
        if response.has_header("Vary"):
            patch_vary_headers(response, ["Accept-Language"])
        else:
            response.headers["Vary"] = "Accept-Language"


def instance_of(request: HttpRequest) -> str:
    """The request's path as an ASCII URI reference: no query string, and never read as another host."""
    path: str = request.path
    if _is_plain(path):
        return path
    path = quote("/" + path.removeprefix("/"), SAFE_IN_PATH, errors="replace")
    # "//evil/" would be a reference to the host "evil".
    return "/%2F" + path[2:] if path.startswith("//") else path


def correlation_id_of(request: HttpRequest) -> str:
    """The id of the request: never missing, even where CorrelationMiddleware is not installed."""
    known: str | None = getattr(request, "correlation_id", None) or get_correlation_id()
    if known is None:
        known = new_id()
        request.correlation_id = known  # type: ignore[attr-defined]  # where the middleware would have put it
    return known


def phrase(status: int) -> str:
    """The reason phrase of a status, the title of `about:blank`."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown error"
