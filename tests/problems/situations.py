"""All requests and returned responses that are errors without an exception of the view; `raising` has the exceptions.

Each situation is a request to `tests.problems.urls` with the secret in every part that can contain it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.problems.raising import SECRET

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


class Situation(NamedTuple):
    """A request, the expected response, and the settings that the situation needs."""

    status: int
    slug: str
    path: str
    method: str = "GET"
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = {}
    settings: dict[str, Any] = {}
    has_exception: bool = True
    """Whether a 5xx was raised. No signal is sent for one that was returned."""


def post(
    status: int, slug: str, path: str, body: bytes = b"", content_type: str = JSON, method: str = "POST", **more: Any
) -> Situation:
    """Return the situation of a request with a body."""
    return Situation(status, slug, path, method, body, content_type, **more)


def returned(kind: str, status: int, slug: str) -> Situation:
    """Return the situation of a view that returns an error response without a body."""
    return Situation(status, slug, f"/nothing/{kind}/{status}/", has_exception=False)


SECRET_JSON = f'{{"customer": "{SECRET}"'.encode()
LIMITS = {
    "DATA_UPLOAD_MAX_MEMORY_SIZE": 1000,
    "DATA_UPLOAD_MAX_NUMBER_FIELDS": 3,
    "DATA_UPLOAD_MAX_NUMBER_FILES": 1,
}
FILES = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="f%d"; filename="x"\r\n\r\nx\r\n' % number for number in range(3)
)
STATUSES = {
    400: "bad-request",
    401: "not-authenticated",
    402: "about:blank",
    403: "permission-denied",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    410: "about:blank",
    413: "content-too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    451: "about:blank",
    500: "internal-error",
    502: "about:blank",
    503: "unavailable",
    507: "about:blank",
}

SITUATIONS: dict[str, Situation] = {
    # paths, hosts, methods
    "no such path": Situation(404, "not-found", "/no/such/path/"),
    "no such path, and error views that fail": Situation(
        404, "not-found", "/no/such/path/", settings={"ROOT_URLCONF": "tests.problems.urls_failing"}
    ),
    "a path without its slash, with a body": post(404, "not-found", "/orders", SECRET_JSON),
    "an unknown host": Situation(400, "bad-request", "/orders/", headers={"Host": f"{SECRET}.example"}),
    "a malformed host": Situation(400, "bad-request", "/orders/", headers={"Host": f"{SECRET} {SECRET}"}),
    "a method that a DRF view lacks": Situation(405, "method-not-allowed", "/orders/", "DELETE"),
    "a method that a plain view lacks": Situation(405, "method-not-allowed", "/only-get/", "DELETE"),
    "a method that a plain function refuses": Situation(405, "method-not-allowed", "/forbidden-method/"),
    "a method that nobody knows": Situation(405, "method-not-allowed", "/orders/", SECRET.upper()),
    "URLs that cannot be imported": Situation(
        500, "internal-error", "/orders/", settings={"ROOT_URLCONF": "tests.problems.no_such_urls"}
    ),
    # credentials
    "no CSRF token": post(403, "csrf-failed", "/reads/form/", headers={"Origin": f"https://{SECRET}.example"}),
    "no CSRF token for DRF": post(403, "csrf-failed", "/session/", headers={"Origin": f"https://{SECRET}.example"}),
    "a malformed Authorization": Situation(
        401, "authentication-failed", "/raises/drf/ValueError/", headers={"Authorization": f"Basic {SECRET} {SECRET}"}
    ),
    # bodies
    "no JSON": post(400, "malformed-body", "/orders/", SECRET_JSON),
    "JSON that is no UTF-8": post(400, "malformed-body", "/orders/", b"\xff\xfe" + SECRET.encode()),
    "JSON nested too deeply": post(400, "malformed-body", "/orders/", b"[" * 100_000),
    "JSON nested too deeply, in a plain view": post(400, "malformed-body", "/reads/json/", b"[" * 100_000),
    "JSON with a number of too many digits": post(400, "malformed-body", "/orders/", b"1" * 5000),
    "JSON in a codec of bytes": post(400, "malformed-body", "/orders/", b"{}", f"{JSON}; charset=bz2"),
    "a form without a boundary": post(400, "malformed-body", "/orders/", b"x", "multipart/form-data"),
    "a form without a boundary, in a plain view": post(
        400, "malformed-body", "/reads/form/", b"x", "multipart/form-data"
    ),
    "a media type that the view does not take": post(415, "unsupported-media-type", "/orders/", b"x", f"text/{SECRET}"),
    "a body beyond the limit": post(413, "content-too-large", "/orders/", b"x" * 2000, settings=LIMITS),
    "a body beyond the limit, in a plain view": post(
        413, "content-too-large", "/reads/json/", b"x" * 2000, settings=LIMITS
    ),
    "a form beyond the limit": post(
        413, "content-too-large", "/reads/form/", b"a=" + b"x" * 2000, FORM, settings=LIMITS
    ),
    "too many fields": post(400, "bad-request", "/reads/form/", b"a=1&" * 4, FORM, settings=LIMITS),
    "too many files": post(400, "bad-request", "/reads/form/", FILES + b"--b--\r\n", MULTIPART, settings=LIMITS),
    "too many parameters": Situation(400, "bad-request", "/pages/?a=1&b=2&c=3", settings=LIMITS),
    "too many parameters, and a charset": Situation(
        400, "bad-request", "/pages/?a=1&b=2&c=3", content_type=f"{JSON}; charset=utf-8", settings=LIMITS
    ),
    # invalid input
    "fields missing": post(400, "validation-failed", "/orders/", b"{}"),
    "fields wrong": post(400, "validation-failed", "/orders/", SECRET_JSON + b', "items": [{"price": 101}]}'),
    "a choice that there is not": post(
        400,
        "validation-failed",
        "/orders/",
        b'{"customer": "x", "items": [{"price": 1, "kind": "%s"}]}' % SECRET.encode(),
    ),
    "wrong as a whole": post(400, "validation-failed", "/orders/", b'{"customer": "nobody"}'),
    "no object": post(400, "validation-failed", "/orders/", f'["{SECRET}"]'.encode()),
    "serializer errors, returned": post(400, "validation-failed", "/returned-errors/", SECRET_JSON + b"}"),
    "a parameter that is wrong": Situation(400, "invalid-parameters", f"/pages/?limit={SECRET}"),
    "a parameter that there is not": Situation(400, "invalid-parameters", f"/pages/?limit=1&order={SECRET}"),
    "a parameter in other digits": Situation(400, "invalid-parameters", "/pages/?limit=%D9%A3"),
    # returned responses
    **{f"an empty {status} of DRF": returned("drf", status, slug) for status, slug in STATUSES.items()},
    **{f"an empty {status} of a plain view": returned("plain", status, slug) for status, slug in STATUSES.items()},
    "a page in HTML": Situation(400, "bad-request", "/page/"),
    "what DRF's own handler answers": Situation(405, "method-not-allowed", "/handled-by-drf/MethodNotAllowed/"),
    "a middleware's empty 503": Situation(
        503, "unavailable", "/orders/", headers={"X-Return": "503"}, has_exception=False
    ),
    # views that violate Django's rules
    "a view that returns None": Situation(500, "internal-error", "/none/"),
    "an async view that returns None": Situation(500, "internal-error", "/none/async/"),
    "a view that calls itself": Situation(500, "internal-error", "/recurses/"),
    "a redirect to an unsafe scheme": Situation(400, "bad-request", "/redirects/"),
    "a header with a line end": Situation(500, "internal-error", "/bad-header/"),
    "a template that is missing": Situation(500, "internal-error", "/template/"),
    "a response that fails to render": Situation(500, "internal-error", "/renders-badly/"),
    "a serializer that fails to render": Situation(500, "internal-error", "/renders-badly/drf/"),
    "a middleware that returns None": Situation(500, "internal-error", "/orders/", headers={"X-Return": "None"}),
}
