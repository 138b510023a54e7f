"""Authentication of the programs that send records, by a token.

Most shippers cannot send `Bearer`. So the token is accepted as `Bearer <token>`, `ApiKey <token>`, `ApiKey
base64(<anything>:<token>)`, or as the password of Basic. Each of the project's own authentication classes receives
the token in the scheme that the class names. The classes for sessions and passwords are not used.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.settings import api_settings

from systemlog.conf import conf
from systemlog.ingest.errors import ProtocolError
from systemlog.limits.admission import admit_user
from systemlog.models import ADD_PERMISSION

CHALLENGE = 'Basic realm="systemlog", Bearer'
FOR_THE_JOURNAL = "for_the_journal"
"""The attribute that marks a request which only writes into the journal, whatever the request's method is."""


def authenticate(request: HttpRequest) -> Any:
    """Return the user whose token the request carries.

    Raises `ProtocolError` (401), and `ProblemException` if the user is over a rate limit.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    if not header:
        raise ProtocolError(401, "A token is needed.", {"WWW-Authenticate": CHALLENGE})
    copied = copy.copy(request)
    setattr(copied, FOR_THE_JOURNAL, True)
    for scheme, token in _tokens(header):
        for authenticator in _authenticators():
            drf_request = Request(copied)
            known_as = (authenticator.authenticate_header(drf_request) or "").partition(" ")[0]
            if not known_as or scheme not in ("", known_as.lower()):
                continue
            copied.META = {**request.META, "HTTP_AUTHORIZATION": f"{known_as} {token}"}
            try:
                found = authenticator.authenticate(drf_request)
            except AuthenticationFailed:
                continue
            if found is not None:
                request.user = found[0]
                admit_user(request)
                return found[0]
    raise ProtocolError(401, "The token is unknown, expired or disabled.", {"WWW-Authenticate": CHALLENGE})


def check_may_write(user: Any) -> None:
    """Raise `ProtocolError` (403) for a user who may not write records."""
    if not user.has_perm(ADD_PERMISSION):
        raise ProtocolError(403, "This token may not write records.")


def _tokens(header: str) -> Iterator[tuple[str, str]]:
    """Yield each text that may be the token, with the only scheme that the token may have ("" for any scheme)."""
    scheme, _, rest = header.strip().partition(" ")
    scheme, rest = scheme.lower(), rest.strip()
    if not rest:
        return
    if scheme == "basic":
        if (password := _password(rest)) is not None:
            yield "", password
    elif scheme == "apikey":
        yield "", rest
        if (password := _password(rest)) is not None:
            yield "", password
    else:
        yield "" if scheme == "bearer" else scheme, rest


def _password(encoded: str) -> str | None:
    """Return the text after the first colon of a text in base64; None if there is none."""
    try:
        _, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # neither base64 nor UTF-8
        return None
    return password.strip() if colon and password.isascii() and password.strip() else None


def _authenticators() -> Iterator[BaseAuthentication]:
    names = conf().AUTHENTICATION_CLASSES
    kinds: Any = map(import_string, names) if names else api_settings.DEFAULT_AUTHENTICATION_CLASSES
    for kind in kinds:
        if not issubclass(kind, SessionAuthentication | BasicAuthentication):
            yield kind()
