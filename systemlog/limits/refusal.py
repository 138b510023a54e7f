"""The answer to a request that a limit refuses, before or in place of a view."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from systemlog.problems import ProblemException
from systemlog.problems.forms import in_form
from systemlog.problems.handling.fallback import answer
from systemlog.problems.negotiation import gets_html


def refusal(request: HttpRequest, exc: ProblemException) -> HttpResponseBase:
    """A problem, a page for browsers, or what the protocol of the path has for errors (see `problems.forms`)."""
    return in_form(request, answer(request, exc))


def may_block(request: HttpRequest) -> bool:
    """Whether the answer may have to be read from a disk: a page is made from templates."""
    return gets_html(request)
