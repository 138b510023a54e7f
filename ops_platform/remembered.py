"""Remembered tokens: for some seconds they need no query, and while the database is down they are accepted for bulks.

Each process remembers the tokens that it found valid, with their users and the permissions of these. For each token
there is a mark, a file below `VAR_DIR/tokens`. The first worker that finds that a token is withdrawn or expired, or
that its user is deactivated, removes the mark. From then on no worker of the host accepts the token.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone
from knox.models import AuthToken

from ops_platform.compat import keyed_digest

CONFIRMED_S = 3.0
"""How long a token counts as valid without another query. Five seconds after it was withdrawn, it must be refused."""

REMEMBERED_S = 300
"""How long a token is remembered after it was last found valid."""

MAX_REMEMBERED = 1000

TOUCH_S = 30
"""Age at which a process renews a mark, so that it does not write at each request."""

_known: dict[str, tuple[float, float, AuthToken]] = {}
"""By digest: when the database was asked that found the token valid, when its mark was last renewed, and the token. Its
user object caches the permissions."""

_UNKNOWN = float("-inf"), float("-inf"), None

_changed = float("-inf")
"""When this process last changed a token, a user or a permission."""


def remember(digest: str, token: AuthToken, asked_at: float) -> None:
    """Remember a token that the database has confirmed, asked at `asked_at` of the monotonic clock."""
    if not settings.REMEMBER_TOKENS:
        return
    now = time.monotonic()
    _, renewed, _ = _known.pop(digest, _UNKNOWN)
    if now - renewed >= TOUCH_S:
        with contextlib.suppress(OSError):  # without a mark the token is not accepted later
            _renew(_mark(digest))
            renewed = now
    _known[digest] = asked_at, renewed, token  # the newest is last
    while len(_known) > MAX_REMEMBERED:
        _known.pop(next(iter(_known)), None)


def forget(digest: str) -> None:
    """Forget a token that the database has just refused, in all processes of the host."""
    _known.pop(digest, None)
    with contextlib.suppress(OSError):
        _mark(digest).unlink()


def confirmed(digest: str) -> AuthToken | None:
    """Return the token if the database confirmed it within the last seconds and nothing is known to have changed."""
    at, _, _ = _known.get(digest, _UNKNOWN)
    return recall(digest) if at > _changed and time.monotonic() - at <= CONFIRMED_S else None


def recall(digest: str) -> AuthToken | None:
    """Return the token if this process remembers it and no process has refused it since, else None."""
    if not settings.REMEMBER_TOKENS:
        return None
    at, _, token = _known.get(digest, _UNKNOWN)
    if token is None or time.monotonic() - at > REMEMBERED_S:
        return None
    try:
        fresh = time.time() - _mark(digest).stat().st_mtime <= REMEMBERED_S + TOUCH_S
    except OSError:
        return None
    return token if fresh and (token.expiry is None or token.expiry > timezone.now()) else None


def connect() -> None:
    """Connect the signals, so that a change that this process makes through the models takes effect in it at once."""
    user = get_user_model()
    for model in (AuthToken, user, Permission):
        for signal in (post_save, post_delete):
            signal.connect(_note_change, sender=model, dispatch_uid=f"remembered {model.__name__}")
    m2m_changed.connect(_note_change, sender=user.user_permissions.through, dispatch_uid="remembered permissions")


def _note_change(**kwargs: object) -> None:
    global _changed  # noqa: PLW0603  (one for all tokens)
    _changed = time.monotonic()


@lru_cache(MAX_REMEMBERED)
def _mark(digest: str) -> Path:
    # The file name must not be the digest: it is the key of the token in the database, and stays secret.
    name = keyed_digest("ops_platform.remembered", digest)
    return Path(settings.VAR_DIR) / "tokens" / name


def _renew(mark: Path) -> None:
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    os.utime(mark)
