"""The Content-Security-Policy of the console's pages.

The pages need no inline script or style and load nothing from other hosts. Trusted Types make the browser refuse to
parse a text as HTML, so a script in a record stays text. The views set the header themselves, so that the policy
applies in every project. `ops_platform.content_security`, a middleware, keeps a header that a view has set.
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
    """Set the header on a response, and return the response."""
    response.headers[HEADER] = POLICY
    return response
