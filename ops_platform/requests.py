"""Requests whose Content-Type chooses no encoding: everything here is UTF-8.

Django makes the `charset` of a request its encoding, before any middleware runs: a codec that is none for text, or a
query string with too many parameters, would end there in a 500 that nobody can shape.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest
from django.utils.http import parse_header_parameters


class UTF8Mixin(HttpRequest):
    """A request that is read as UTF-8, whatever its `charset` says."""

    def _set_content_type_params(self, meta: Mapping[str, str]) -> None:
        # Django's own, but for the encoding.
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class UTF8WSGIRequest(UTF8Mixin, WSGIRequest):
    """Under WSGI."""


class UTF8ASGIRequest(UTF8Mixin, ASGIRequest):
    """Under ASGI."""


class UTF8WSGIHandler(WSGIHandler):
    """Django's WSGI application with such requests."""

    request_class = UTF8WSGIRequest


class UTF8ASGIHandler(ASGIHandler):
    """Django's ASGI application with such requests."""

    request_class = UTF8ASGIRequest
