"""Limiting failed logins: after ten failures for one name from one address, further attempts get 429.

Failures are counted in files below `VAR_DIR`, so that all workers of the host share the counts, and a restart keeps
them.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib import admin
from django.core.cache.backends.filebased import FileBasedCache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from ops_platform.compat import keyed_digest
from systemlog.limits.clients import client_address as forwarded_address
from systemlog.problems.negotiation import prefers_html
from systemlog.problems.types import TooManyRequests

logger = logging.getLogger("ops_platform.logins")

MAX_FAILURES = 10
WINDOW_S = 15 * 60
MAX_KEYS = 10_000
"""Number of (name, address) pairs that are counted. Beyond it, a third of the counts is dropped at random."""


@sensitive_post_parameters()
@csrf_protect
@never_cache
def login(request: HttpRequest) -> HttpResponseBase:
    """Serve Django's login page, or 429 if the name has failed too often from this address."""
    if request.method != "POST":
        return admin.site.login(request)
    key = _key(request.POST.get("username", ""), client_address(request))
    if wait_s := _seconds_to_wait(key):
        return _refuse(request, wait_s)
    response = admin.site.login(request)
    if request.user.is_authenticated:
        _forget(key)
    else:
        _count(key)
    return response


def client_address(request: HttpRequest) -> str:
    """Return the client's address: behind trusted proxies, the last hop that is not one of them."""
    meta = request.META
    return forwarded_address(
        meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR", ""), settings.TRUSTED_PROXIES
    )


def _refuse(request: HttpRequest, wait_s: int) -> HttpResponse:
    if prefers_html(request):
        page = render(request, "ops_platform/too_many_logins.html", {"minutes": math.ceil(wait_s / 60)}, status=429)
        page.headers["Retry-After"] = str(wait_s)
        return page
    raise TooManyRequests("Too many logins have failed. Try again later.", headers={"Retry-After": str(wait_s)})


def _key(name: str, address: str) -> str:
    # Django compares names in NFKC. Case is ignored, so that ADMIN does not give ten more attempts.
    normal = unicodedata.normalize("NFKC", name).casefold()
    return keyed_digest("ops_platform.logins", f"{address}\n{normal}")


def _seconds_to_wait(key: str) -> int:
    failures: list[float] = []
    with _disk_may_fail(), _counts() as counts:
        failures = _recent(counts, key)
    return math.ceil(failures[-MAX_FAILURES] + WINDOW_S - time.time()) if len(failures) >= MAX_FAILURES else 0


def _count(key: str) -> None:
    with _disk_may_fail(), _counts() as counts:
        counts.set(key, [*_recent(counts, key), time.time()])


def _forget(key: str) -> None:
    with _disk_may_fail(), _counts() as counts:
        counts.delete(key)


def _recent(counts: FileBasedCache, key: str) -> list[float]:
    return [failure for failure in counts.get(key, []) if failure > time.time() - WINDOW_S]


@contextmanager
def _counts() -> Iterator[FileBasedCache]:
    """Lock and open the counts. Raises `OSError` if the disk cannot be written."""
    directory = settings.VAR_DIR / "logins"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(directory / "lock", flags, 0o600), "r+b", buffering=0) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield FileBasedCache(str(directory), {"TIMEOUT": WINDOW_S, "OPTIONS": {"MAX_ENTRIES": MAX_KEYS}})


@contextmanager
def _disk_may_fail() -> Iterator[None]:
    """Allow logins while the disk cannot be written, because a full disk must not lock out the administrator."""
    try:
        yield
    except OSError:
        logger.warning(
            "Failed logins cannot be counted in VAR_DIR, so none is refused.",
            exc_info=True,
            extra={"action": "logins_uncounted"},
        )
