"""What caches may do with answers that hold records: nothing."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class NeverCached(APIView):
    """A view whose answers no cache may keep, however the reader proved who they are (RFC 9111, section 5.2.2)."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Mark the response, which may be any of Django's."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Cache-Control"] = "private, no-store"
        return final
