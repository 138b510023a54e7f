"""Records of logins, logouts and failed logins: `audit.login`, `audit.logout` and `audit.login_failed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from systemlog.conf import conf
from systemlog.recording import record

MAX_NAME_CHARACTERS = 200


def record_failed_login(
    sender: object, credentials: Mapping[str, Any], request: HttpRequest | None = None, **kwargs: object
) -> None:
    """Receiver of `user_login_failed`: record the name that was tried, never the password.

    People sometimes type their password into the field for the name. `SYSTEMLOG["AUDIT_LOGIN_NAMES"] = False` leaves
    the name out.
    """
    context: dict[str, object] = {}
    if conf().AUDIT_LOGIN_NAMES:
        name = credentials.get(get_user_model().USERNAME_FIELD, credentials.get("username"))
        context["username"] = None if name is None else str(name)[:MAX_NAME_CHARACTERS]
    record("audit.login_failed", "A login failed", level="WARNING", **context, **_address(request))


def record_login(sender: object, user: Any, request: HttpRequest | None = None, **kwargs: object) -> None:
    """Receiver of `user_logged_in`: record the login."""
    record("audit.login", "A user logged in", subject=_subject(user), user=user, **_address(request))


def record_logout(sender: object, user: Any = None, request: HttpRequest | None = None, **kwargs: object) -> None:
    """Receiver of `user_logged_out`: record the logout, unless nobody was logged in."""
    if getattr(user, "is_authenticated", False):
        record("audit.logout", "A user logged out", subject=_subject(user), user=user.pk, **_address(request))


def connect() -> None:
    """Connect the receivers."""
    user_login_failed.connect(record_failed_login, dispatch_uid="systemlog.audit.login_failed")
    user_logged_in.connect(record_login, dispatch_uid="systemlog.audit.login")
    user_logged_out.connect(record_logout, dispatch_uid="systemlog.audit.logout")


def _subject(user: Any) -> str:
    return f"{user._meta.concrete_model._meta.label_lower}:{user.pk}"


def _address(request: HttpRequest | None) -> dict[str, Any]:
    return {} if request is None else {"address": request.META.get("REMOTE_ADDR")}
