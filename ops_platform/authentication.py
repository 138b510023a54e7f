"""`Authorization: Bearer <token>`: who presents a token of `manage.py issue_token`."""

from __future__ import annotations

import copy
import re

from django.contrib.auth.models import AbstractUser
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from ops_platform import remembered
from ops_platform.compat import ignore_groups
from systemlog.ingest.authentication import FOR_THE_JOURNAL

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
        if not re.fullmatch("[A-Za-z0-9_]+", token):
            raise AuthenticationFailed("The Authorization header holds no token.")
        digest = hash_token(token)
        try:
            found = (
                AuthToken.objects.select_related("user")
                .filter(Q(expiry=None) | Q(expiry__gt=timezone.now()), digest=digest)
                .first()
            )
        except (OperationalError, InterfaceError):
            # Shippers go on while the database is down. Readers do not, where the log has a database of its own.
            found = remembered.recall(digest) if _for_the_journal(request) else None
            if found is None:
                raise
            found = copy.copy(found)
            found.remembered = True  # the log API takes only what goes into the journal by such a one
            return found.user, found
        if found is None or not found.user.is_active:
            remembered.forget(digest)
            raise AuthenticationFailed("The token is unknown, expired or disabled.")
        remembered.remember(digest, found)
        # A token's rights are those of its last issue, also where its user was made superuser or given groups since.
        found.user.is_superuser = False
        ignore_groups(found.user)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """The `WWW-Authenticate` of a 401."""
        return SCHEME


def _for_the_journal(request: Request) -> bool:
    """Whether the request may write into the journal, and does nothing else with the database."""
    return request.method == "POST" or getattr(request._request, FOR_THE_JOURNAL, False)
