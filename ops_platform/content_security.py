"""The Content-Security-Policy of all HTML pages that do not set one themselves.

Scripts are loaded from this host only. The few `<style>` elements of Django and of the problem pages are allowed by
their hashes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template import Engine
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.views.csrf import csrf_failure

HEADER = "Content-Security-Policy"
CLIENT_ERRORS = 400

_style = re.compile("<style>(.*?)</style>", re.DOTALL)


class ContentSecurityMiddleware(MiddlewareMixin):
    """Sets the header on HTML responses, but not on Django's debug pages, which need inline scripts and styles."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Set the header, unless the view has set it."""
        is_html = response.headers.get("Content-Type", "").startswith("text/html")
        is_debug_page = settings.DEBUG and response.status_code >= CLIENT_ERRORS
        if is_html and not is_debug_page:
            response.headers.setdefault(HEADER, policy())
        return response


@functools.cache
def policy() -> str:
    """Return the value of the header."""
    styles = " ".join(sorted({f"'{_hash(text)}'" for text in _inline_styles()}))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' {styles}; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def _inline_styles() -> list[str]:
    pages = [
        render_to_string("systemlog/problems/style.html"),
        Engine.get_default().get_template("admin/change_list.html").source,
        csrf_failure(HttpRequest()).content.decode(),
    ]
    return [text for page in pages for text in _style.findall(page)]


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
