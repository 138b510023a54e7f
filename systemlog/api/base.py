"""What the views of the log API have in common: who asks is found out, and what caches may do with the answer."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.conf import conf
from systemlog.problems.types import BadRequest


class LogView(APIView):
    """A view whose answers hold records, or counts of them."""

    problem_types = (BadRequest.problem_type,)
    """Of any request: too many parameters, a host that is not allowed. The OpenAPI document names it."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Those of `SYSTEMLOG["AUTHENTICATION_CLASSES"]`, by default the project's."""
        names = conf().AUTHENTICATION_CLASSES
        return [import_string(name)() for name in names] if names else super().get_authenticators()

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Let no cache keep the response, however its reader proved who they are (RFC 9111, section 5.2.2)."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "private, no-store"
        return final
