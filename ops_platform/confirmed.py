"""Tokens that the database has confirmed within the last seconds, with their users and the users' permissions.

Asking the database for the token and the permissions again at each request takes longer than finding a page of records.
A withdrawn token, a deactivated user and a removed permission take effect after `CONFIRMED_S` at the latest. They take
effect at once in the process that makes the change through Django's models, and in all processes of the host as soon as
one of them has refused the token (`ops_platform.remembered`).
"""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone
from knox.models import AuthToken

from ops_platform import remembered

CONFIRMED_S = 3.0
"""How long a token counts as confirmed. It must be refused five seconds after it was withdrawn."""

WITHOUT_MARKS_S = 0.9
"""The same, if processes share no marks of tokens. All must refuse a token within a second after one has refused it."""

MAX_CONFIRMED = 1000

_confirmed: dict[str, tuple[float, AuthToken]] = {}
"""By digest: the end of the confirmation on the monotonic clock, and the token. Its user object caches permissions."""


def confirm(digest: str, token: AuthToken) -> None:
    """Note that the database has just confirmed a token."""
    lifetime_s = CONFIRMED_S if settings.REMEMBER_TOKENS else WITHOUT_MARKS_S
    _confirmed.pop(digest, None)
    _confirmed[digest] = time.monotonic() + lifetime_s, token  # the newest is last
    while len(_confirmed) > MAX_CONFIRMED:
        _confirmed.pop(next(iter(_confirmed), ""), None)


def recall(digest: str) -> AuthToken | None:
    """Return a token that was confirmed lately and that no process has refused since, else None."""
    until, token = _confirmed.get(digest, (0.0, None))
    if token is None or time.monotonic() >= until or (token.expiry is not None and token.expiry <= timezone.now()):
        return None
    return token if not settings.REMEMBER_TOKENS or remembered.is_marked(digest) else None


def forget_all(**kwargs: object) -> None:
    """Forget all confirmations, so that the database is asked again about every token."""
    _confirmed.clear()


def connect() -> None:
    """Connect the signals: confirmations are forgotten when this process changes tokens, users or permissions."""
    user = get_user_model()
    for model in (AuthToken, user, Group, Permission):
        for signal in (post_save, post_delete):
            signal.connect(forget_all, sender=model, dispatch_uid=f"confirmed tokens {model.__name__}")
    for through in (user.user_permissions.through, user.groups.through, Group.permissions.through):
        m2m_changed.connect(forget_all, sender=through, dispatch_uid=f"confirmed tokens {through.__name__}")
