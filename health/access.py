"""Access to details: for clients with the bearer token of TOKEN, and for users whom CAN_SEE_DETAILS accepts."""

from __future__ import annotations

import logging
import secrets
from importlib import import_module

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.utils.module_loading import import_string

from health.conf import conf
from health.readiness import database_is_down

logger = logging.getLogger("health")

PERMISSION = "health.view_details"


def has_token(request: HttpRequest) -> bool:
    """Return whether the request has the bearer token of the setting TOKEN."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = conf().TOKEN
    if not expected or scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(token.strip().encode("utf-8", "replace"), expected.encode())


def needs_queries(request: HttpRequest) -> bool:
    """Return whether a user must be looked up. Anonymous requests, and those with the token, need no query."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES or (
        "Authorization" in request.headers and not has_token(request)
    )


def may_see_details(request: HttpRequest) -> bool:
    """Return whether the client may see details. While a database is down, only the token counts."""
    if not needs_queries(request):
        return has_token(request)
    if has_token(request):
        return True
    if database_is_down():
        return False
    try:
        return bool(import_string(conf().CAN_SEE_DETAILS)(request))
    except Exception:  # a function of the project, which may raise anything
        logger.exception(
            "CAN_SEE_DETAILS raised an exception; the client sees no details.", extra={"action": "health.access_failed"}
        )
        return False


def has_permission(request: HttpRequest) -> bool:
    """Return whether the session's user is active and has the permission `health.view_details`."""
    if not apps.is_installed("django.contrib.auth") or not apps.is_installed("django.contrib.sessions"):
        return False
    from django.contrib.auth import get_user

    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    # HealthMiddleware runs before SessionMiddleware, so the session is read here.
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    asker = HttpRequest()
    asker.session = session
    user = get_user(asker)
    return user.is_active and user.has_perm(PERMISSION)
