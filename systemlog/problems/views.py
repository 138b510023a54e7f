"""The pages that document the problem types, and the error views that a project's urls.py and settings name."""

from __future__ import annotations

import sys
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views import csrf
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from systemlog.problems.error_log import report
from systemlog.problems.handling.fallback import answer
from systemlog.problems.negotiation import gets_html, prefers_html
from systemlog.problems.registry import ProblemType, find_type, problem_types
from systemlog.problems.types import CsrfFailed, InternalError


@csrf_exempt
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """`/problems/`: every problem type."""
    types = [_describe(known) for known in problem_types()]
    return _represent(request, "index.html", {"problems": types})


@csrf_exempt
@require_safe
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """`/problems/<slug>`: what the `type` of a problem leads to."""
    known = find_type(slug)
    if known is None:
        raise Http404
    return _represent(request, "detail.html", _describe(known))


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's view for a bad request."""
    return answer(request, exception)


handler403 = handler404 = handler400


def handler500(request: HttpRequest) -> HttpResponseBase:
    """Django's view for what nobody has caught; it has told `got_request_exception` already."""
    return answer(request, sys.exc_info()[1] or InternalError(), signalled=True)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """`CSRF_FAILURE_VIEW`."""
    if not gets_html(request):
        return answer(request, CsrfFailed())
    page = csrf.csrf_failure(request, reason=reason)
    report(request, page, CsrfFailed(reason), slug=CsrfFailed.slug)
    return page


def _describe(known: ProblemType) -> dict[str, Any]:
    return {
        "type": known.uri,
        "slug": known.slug,
        "title": str(known.title),
        "status": known.status_in_force,
        "documentation": known.documentation,
    }


def _represent(request: HttpRequest, template: str, content: dict[str, Any]) -> HttpResponse:
    if prefers_html(request):
        response = render(request, f"systemlog/problems/{template}", content)
    else:
        response = JsonResponse(content, json_dumps_params={"ensure_ascii": False})
        response.write("\n")
    patch_vary_headers(response, ["Accept"])
    return response
