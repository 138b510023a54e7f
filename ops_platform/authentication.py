"""Authentication with a token of `manage.py issue_token`: `Authorization: Bearer <token>`."""

from __future__ import annotations

import copy
import re
import time

from django.contrib.auth.models import AbstractUser
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from ops_platform import remembered
from ops_platform.compat import ignore_groups, token_digest
from systemlog.compat import django_request
from systemlog.ingest.authentication import FOR_THE_JOURNAL

SCHEME = "Bearer"


class BearerAuthentication(BaseAuthentication):
    """Authenticates a request by its bearer token. The database is asked for a token at most every three seconds.

    Any other Authorization header is refused: a client that sends one does not mean to be anonymous.
    """

    def authenticate(self, request: Request) -> tuple[AbstractUser, AuthToken] | None:
        """Return the token and its user; None without the header. Raises `AuthenticationFailed` (401)."""
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, token = header.strip().partition(" ")
        if scheme.lower() != SCHEME.lower():
            raise AuthenticationFailed("The Authorization header must have the scheme Bearer.")
        token = token.strip()
        if not re.fullmatch("[A-Za-z0-9_]+", token):
            raise AuthenticationFailed("The Authorization header holds no token.")
        digest = token_digest(token)
        if (known := remembered.confirmed(digest)) is not None:
            return known.user, known
        asked_at = time.monotonic()
        try:
            found = (
                AuthToken.objects.select_related("user")
                .filter(Q(expiry=None) | Q(expiry__gt=timezone.now()), digest=digest)
                .first()
            )
        except (OperationalError, InterfaceError):
            # While the database is down, bulks are still accepted. Reading is not, even if the log's database is up.
            found = remembered.recall(digest) if _for_the_journal(request) else None
            if found is None:
                raise
            found = copy.copy(found)
            found.remembered = True  # the log API accepts only bulks from a remembered token
            return found.user, found
        if found is None or not found.user.is_active:
            remembered.forget(digest)
            raise AuthenticationFailed("The token is unknown, expired or disabled.")
        # The rights of a token are those of its last issue, even if its user became a superuser or got groups since.
        found.user.is_superuser = False
        ignore_groups(found.user)
        remembered.remember(digest, found, asked_at)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """Return the value of `WWW-Authenticate` in a 401 response."""
        return SCHEME


def _for_the_journal(request: Request) -> bool:
    """Return whether the request only writes to the journal, and needs the database for nothing else."""
    return request.method == "POST" or getattr(django_request(request), FOR_THE_JOURNAL, False)
