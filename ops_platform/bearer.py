"""`Authorization: Bearer <token>`: who presents a token of `manage.py issue_token`."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

SCHEME = "Bearer"


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
        found = (
            AuthToken.objects.select_related("user")
            .filter(Q(expiry=None) | Q(expiry__gt=timezone.now()), digest=hash_token(token))
            .first()
        )
        if found is None or not found.user.is_active:
            raise AuthenticationFailed("The token is unknown, expired or disabled.")
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """The `WWW-Authenticate` of a 401."""
        return SCHEME
