"""The response to a request that a limit refuses."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.problems import ProblemException
from systemlog.problems.handling.fallback import answer
from systemlog.problems.negotiation import gets_html
from systemlog.problems.protocol_formats import in_protocol_format


def refusal(request: HttpRequest, exc: ProblemException) -> HttpResponseBase:
    """Return a problem, an HTML page, or the error format of the path's protocol (`problems.protocol_formats`)."""
    return in_protocol_format(request, answer(request, exc))


def may_block(request: HttpRequest) -> bool:
    """Return whether the response is an HTML page: making it may block, because templates are read from the disk."""
    return gets_html(request)
