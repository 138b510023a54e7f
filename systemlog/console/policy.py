"""The Content-Security-Policy of the console's pages.

They need no inline script or style and load nothing from elsewhere. Trusted Types make the browser refuse to parse a
text as HTML, so that a script in a record stays text. The policy needs no middleware, so that it holds in every
project; a middleware that sets the header where a view has not set it (`ops_platform.content_security`) leaves it.
"""

from __future__ import annotations

from typing import TypeVar

from django.http.response import HttpResponseBase

HEADER = "Content-Security-Policy"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)

AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)


def protect(response: AnyResponse) -> AnyResponse:
    """Set the header on the response of a page of the console, and return the response."""
    response.headers[HEADER] = POLICY
    return response
