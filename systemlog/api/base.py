"""The base classes of the log API's views: they authenticate clients and keep responses out of caches."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.api.permissions import SystemLogPermission
from systemlog.conf import conf
from systemlog.problems import ContentNegotiation
from systemlog.problems.types import BadRequest


class LogView(APIView):
    """A view whose responses hold records, or counts of records."""

    problem_types = (BadRequest.problem_type,)
    """The problem type that any request can have: too many parameters, or a host that is not allowed.

    The OpenAPI document names it.
    """

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return the authenticators of `SYSTEMLOG["AUTHENTICATION_CLASSES"]`, by default those of the project."""
        names = conf().AUTHENTICATION_CLASSES
        return [import_string(name)() for name in names] if names else super().get_authenticators()

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Forbid caches to store the response, whatever the client authenticated with (RFC 9111, section 5.2.2)."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "private, no-store"
        return final


class ReadingView(LogView):
    """A view that only reads, and needs the permission to read the log."""

    permission_classes = [SystemLogPermission]
    content_negotiation_class = ContentNegotiation
    http_method_names = ["get", "head"]
