"""The way to HTTPS that loses nothing."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class KeepMethodMiddleware(MiddlewareMixin):
    """Before Django's SecurityMiddleware: its redirect to HTTPS is 308 for whatever is no GET or HEAD.

    Clients turn a POST into a GET when they follow its 301, and the body is lost without a word.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Change the status of that redirect."""
        insecure = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        redirected = insecure and response.status_code == HTTPStatus.MOVED_PERMANENTLY
        if redirected and request.method not in ("GET", "HEAD"):
            response.status_code = HTTPStatus.PERMANENT_REDIRECT
        return response
