"""The pages that document the problem types, and the error views for a project's URLconf and settings."""

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
    """Show all problem types, at `/problems/`."""
    types = [_describe(known) for known in problem_types()]
    return _represent(request, "index.html", {"problems": types})


@csrf_exempt
@require_safe
def detail(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one problem type, at `/problems/<slug>`, the URI in the `type` of a problem."""
    known = find_type(slug)
    if known is None:
        raise Http404
    return _represent(request, "detail.html", _describe(known))


def handler400(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer the exception. For the names `handler400`, `handler403` and `handler404` of a URLconf."""
    return answer(request, exception)


handler403 = handler404 = handler400


def handler500(request: HttpRequest) -> HttpResponseBase:
    """Answer an exception that Django has caught and signalled. For the name `handler500` of a URLconf."""
    return answer(request, sys.exc_info()[1] or InternalError(), signalled=True)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answer a failed CSRF check with a problem, or with Django's page for browsers. For `CSRF_FAILURE_VIEW`."""
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
