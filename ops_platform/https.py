"""Redirects to HTTPS that keep the method and the body."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin


class KeepMethodMiddleware(MiddlewareMixin):
    """Turns the 301 of Django's SecurityMiddleware into a 308, unless the request is GET or HEAD.

    When clients follow a 301, they turn a POST into a GET, and the body is lost. Install it above SecurityMiddleware.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Change the status of a redirect to HTTPS."""
        insecure = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        redirected = insecure and response.status_code == HTTPStatus.MOVED_PERMANENTLY
        if redirected and request.method not in ("GET", "HEAD"):
            response.status_code = HTTPStatus.PERMANENT_REDIRECT
        return response
