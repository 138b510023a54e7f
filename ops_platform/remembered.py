"""Tokens that were valid lately: believed while the database that knows them does not answer.

Each process remembers the tokens that it found valid. A file below `VAR_DIR/tokens` marks each as not refused since:
the first worker that finds a token withdrawn, expired or its user deactivated removes the file, and from then on no
worker of the host believes it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac
from knox.models import AuthToken

REMEMBERED_S = 300
"""For so long after it was last found valid."""

MAX_REMEMBERED = 1000

TOUCH_S = 30
"""How long a mark is good before a process renews it: not at each request."""

_known: dict[str, tuple[float, float, AuthToken]] = {}
"""By digest: when the token was found valid last, when its mark was renewed last, and the token. The permissions of its
user are on its object, once they were asked."""


def remember(digest: str, token: AuthToken) -> None:
    """Note that the database knows this token now."""
    if not settings.REMEMBER_TOKENS:
        return
    now = time.monotonic()
    _, renewed, _ = _known.pop(digest, (0.0, float("-inf"), None))
    if now - renewed >= TOUCH_S:
        with contextlib.suppress(OSError):  # on a full disk no token is believed later
            _renew(_mark(digest))
            renewed = now
    _known[digest] = now, renewed, token  # the newest is the last
    while len(_known) > MAX_REMEMBERED:
        _known.pop(next(iter(_known)), None)


def forget(digest: str) -> None:
    """Note that the database refuses this token: no process of the host believes it from now on."""
    _known.pop(digest, None)
    with contextlib.suppress(OSError):
        _mark(digest).unlink()


def recall(digest: str) -> AuthToken | None:
    """The token, if this process found it valid lately and no process has refused it since; else None."""
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


def _mark(digest: str) -> Path:
    # The digest is what the database stores in its place; the name of a file must not be as good.
    name = salted_hmac("ops_platform.remembered", digest, algorithm="sha256").hexdigest()
    return Path(settings.VAR_DIR) / "tokens" / name


def _renew(mark: Path) -> None:
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    os.utime(mark)
