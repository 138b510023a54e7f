"""Failed logins, as records of the category `audit.login_failed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.recording import record

MAX_NAME_CHARACTERS = 200


def record_failed_login(
    sender: object, credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: object
) -> None:
    """Record a login that Django's `user_login_failed` reports: the name that was tried, never the password.

    People type their password into the field for the name, too: `SYSTEMLOG["AUDIT_LOGIN_NAMES"] = False` leaves
    the name out.
    """
    context: dict[str, object] = {}
    if conf().AUDIT_LOGIN_NAMES:
        name = credentials.get(get_user_model().USERNAME_FIELD, credentials.get("username"))
        context["username"] = None if name is None else str(name)[:MAX_NAME_CHARACTERS]
    if request is not None:
        context["address"] = request.META.get("REMOTE_ADDR")
    record("audit.login_failed", "A login failed", level="WARNING", **context)


def connect() -> None:
    """Record failed logins from now on."""
    user_login_failed.connect(record_failed_login, dispatch_uid="systemlog.audit.login_failed")
