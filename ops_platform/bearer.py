"""`Authorization: Bearer <token>`: who presents a token of `manage.py issue_token`."""

from __future__ import annotations

import time

from django.contrib.auth.models import AbstractUser
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

SCHEME = "Bearer"

REMEMBERED_S = 300
"""So long a token that this process found valid is taken while the database does not answer."""

MAX_REMEMBERED = 1000

_known: dict[str, tuple[float, AuthToken]] = {}
"""By digest, when the token was found valid last; the user's permissions are on its object, once they were asked."""


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, the scheme in any case; one query, by the key of knox's table.

    Whatever else the header holds is refused: it was meant to identify somebody, and does not.
    """

    def authenticate(self, request: Request) -> tuple[AbstractUser, AuthToken] | None:
        """The token's user; None without the header; raises `AuthenticationFailed` (401) for a bad one."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != SCHEME.lower():
            raise AuthenticationFailed("The Authorization header must have the scheme Bearer.")
        token = token.strip()
        if not (token.isascii() and token.isalnum()):
            raise AuthenticationFailed("The Authorization header holds no token.")
        digest = hash_token(token)
        try:
            found = (
                AuthToken.objects.select_related("user")
                .filter(Q(expiry=None) | Q(expiry__gt=timezone.now()), digest=digest)
                .first()
            )
        except (OperationalError, InterfaceError):
            # Shippers go on while the database is down; what reads or changes it fails by itself.
            found = _recall(digest)
            if found is None:
                raise
            return found.user, found
        if found is None or not found.user.is_active:
            _known.pop(digest, None)
            raise AuthenticationFailed("The token is unknown, expired or disabled.")
        _remember(digest, found)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """The `WWW-Authenticate` of a 401."""
        return SCHEME


def _remember(digest: str, token: AuthToken) -> None:
    _known.pop(digest, None)
    _known[digest] = time.monotonic(), token  # the newest is the last
    while len(_known) > MAX_REMEMBERED:
        _known.pop(next(iter(_known)), None)


def _recall(digest: str) -> AuthToken | None:
    at, token = _known.get(digest, (float("-inf"), None))
    if token is None or time.monotonic() - at > REMEMBERED_S:
        return None
    return None if token.expiry is not None and token.expiry <= timezone.now() else token
