"""Who may see details: who brings the token of the probes, or a user whom the project lets."""

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
    """Whether the request brings the bearer token of the setting TOKEN."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = conf().TOKEN
    if not expected or scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(token.strip().encode("utf-8", "replace"), expected.encode())


def needs_queries(request: HttpRequest) -> bool:
    """Whether a user may have to be looked up: an anonymous request, and one with the token, cost no query."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES or (
        "Authorization" in request.headers and not has_token(request)
    )


def may_see_details(request: HttpRequest) -> bool:
    """Whether the request brings the token, or a user whom CAN_SEE_DETAILS lets; no database is asked that is down."""
    if not needs_queries(request):
        return has_token(request)
    if has_token(request):
        return True
    if database_is_down():
        return False
    try:
        return bool(import_string(conf().CAN_SEE_DETAILS)(request))
    except Exception:
        logger.exception("Who may see details could not be told.", extra={"action": "health.access_failed"})
        return False


def has_permission(request: HttpRequest) -> bool:
    """Whether the user of the session is active and has the permission `health.view_details` (superusers have)."""
    if not apps.is_installed("django.contrib.auth") or not apps.is_installed("django.contrib.sessions"):
        return False
    from django.contrib.auth import get_user

    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    # The probes are answered before the session's middleware: the session is read here, for this question alone.
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    asker = HttpRequest()
    asker.session = session
    user = get_user(asker)
    return user.is_active and user.has_perm(PERMISSION)
