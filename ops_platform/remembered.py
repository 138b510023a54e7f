"""Remembered tokens, which are accepted for bulks while the database with the tokens is down.

Each process remembers the tokens that it found valid. For each of them there is a mark, a file below `VAR_DIR/tokens`.
The first worker that finds that a token is withdrawn or expired, or that its user is deactivated, removes the mark.
From then on no worker of the host accepts the token.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from knox.models import AuthToken

from ops_platform.compat import keyed_digest

REMEMBERED_S = 300
"""How long a token is remembered after it was last found valid."""

MAX_REMEMBERED = 1000

TOUCH_S = 30
"""Age at which a process renews a mark, so that it does not write at each request."""

_known: dict[str, tuple[float, float, AuthToken]] = {}
"""By digest: when the token was last found valid, when its mark was last renewed, and the token. Its user object caches
the permissions."""


def remember(digest: str, token: AuthToken) -> None:
    """Remember a token that the database has just confirmed."""
    if not settings.REMEMBER_TOKENS:
        return
    now = time.monotonic()
    _, renewed, _ = _known.pop(digest, (0.0, float("-inf"), None))
    if now - renewed >= TOUCH_S:
        with contextlib.suppress(OSError):  # without a mark the token is not accepted later
            _renew(_mark(digest))
            renewed = now
    _known[digest] = now, renewed, token  # the newest is last
    while len(_known) > MAX_REMEMBERED:
        _known.pop(next(iter(_known)), None)


def forget(digest: str) -> None:
    """Forget a token that the database has just refused, in all processes of the host."""
    _known.pop(digest, None)
    with contextlib.suppress(OSError):
        _mark(digest).unlink()


def recall(digest: str) -> AuthToken | None:
    """Return the token if this process remembers it and no process has refused it since, else None."""
    if not settings.REMEMBER_TOKENS:
        return None
    at, _, token = _known.get(digest, (float("-inf"), 0.0, None))
    if token is None or time.monotonic() - at > REMEMBERED_S:
        return None
    try:
        fresh = time.time() - _mark(digest).stat().st_mtime <= REMEMBERED_S + TOUCH_S
    except OSError:
        return None
    return token if fresh and (token.expiry is None or token.expiry > timezone.now()) else None


@lru_cache(MAX_REMEMBERED)
def _mark(digest: str) -> Path:
    # The file name must not be the digest: it is the key of the token in the database, and stays secret.
    name = keyed_digest("ops_platform.remembered", digest)
    return Path(settings.VAR_DIR) / "tokens" / name


def _renew(mark: Path) -> None:
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    os.utime(mark)
