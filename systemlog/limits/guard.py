"""A circuit breaker around the store that the settings name. After a failure, the store is asked every two seconds.

For a store on another host, the guard also remembers which keys are over their limit, and for how long. Requests of
these keys are refused without asking the store.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from time import monotonic, monotonic_ns

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from systemlog.conf import NAME, conf
from systemlog.correlation.context import carried
from systemlog.forking import run_after_fork
from systemlog.limits.gcra import Rate
from systemlog.limits.metrics import instruments
from systemlog.limits.stores.interface import Store, StoreUnavailable

logger = logging.getLogger("systemlog.limits")

PAUSE_S = 2
"""Time after a failure until one request asks the store again. The other requests do not wait for it."""

MAX_REFUSED = 20_000
FILE = "times"


class Guard:
    """Passes requests to a store, except while the store is dead."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_remote = store.is_remote
        self._take = store.take
        self._ask_again_at: float | None = None
        """The time when a dead store is asked again; None while the store answers."""
        self._lock = threading.Lock()

    @property
    def is_dead(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._ask_again_at is not None

    def take(self, key: bytes, rate: Rate) -> int | None:
        """Count one request of the key. Return the spare time (see `gcra`); None if the store is dead."""
        if self._ask_again_at is not None:
            return self._try_again(key, rate)
        try:
            return self._take(key, rate)
        except StoreUnavailable as error:
            self._fail(error)
            return None

    def _try_again(self, key: bytes, rate: Rate) -> int | None:
        if not self._may_ask():
            return None
        try:
            spare = self._take(key, rate)
        except StoreUnavailable as error:
            self._fail(error)
            return None
        self._recover()
        return spare

    def _may_ask(self) -> bool:
        with self._lock:
            now = monotonic()
            if self._ask_again_at is not None:
                if now < self._ask_again_at:
                    return False
                self._ask_again_at = now + PAUSE_S
            return True

    def _fail(self, error: StoreUnavailable) -> None:
        instruments().FAILURES.inc()
        with self._lock:
            is_new, self._ask_again_at = self._ask_again_at is None, monotonic() + PAUSE_S
        if is_new:
            _warn_uncorrelated(str(error))

    def _recover(self) -> None:
        with self._lock:
            was_dead, self._ask_again_at = self.is_dead, None
        if was_dead:
            _report_recovery()


class RemoteGuard(Guard):
    """The guard of a store on another host, which remembers the keys that are over their limit."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._refused: dict[bytes, int] = {}
        """The time of `monotonic_ns` until which each of these keys is refused."""

    def known(self, key: bytes) -> int | None:
        """Return the spare time of a key that is known to be refused; None for any other. Does not ask the store."""
        until = self._refused.get(key)
        if until is None:
            return None
        left = until - monotonic_ns()
        if left > 0:
            return -left
        self._refused.pop(key, None)
        return None

    def take(self, key: bytes, rate: Rate) -> int | None:
        """Count one request of the key, without asking the store if it is known to be refused."""
        if not self.is_dead and (known := self.known(key)) is not None:
            return known
        spare = super().take(key, rate)
        if spare is not None and spare < 0:
            self._remember(key, -spare)
        return spare

    def _remember(self, key: bytes, wait_ns: int) -> None:
        refused = self._refused
        if len(refused) >= MAX_REFUSED:
            now = monotonic_ns()
            with self._lock:
                refused = self._refused = {one: until for one, until in refused.copy().items() if until > now}
            if len(refused) >= MAX_REFUSED:
                return
        refused[key] = monotonic_ns() + wait_ns


def limits_directory() -> Path | None:
    """Return the directory of the files, by `LIMITS_DIR`, `$STATE_DIRECTORY` or `BASE_DIR`; None if none is set."""
    if conf().LIMITS_DIR:
        return Path(conf().LIMITS_DIR)
    if state := os.environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state) / "limits"
    base = getattr(settings, "BASE_DIR", None)
    return Path(base) / "var" / "limits" if base else None


class NoStore:
    """Takes the place of a store that cannot be created."""

    is_remote = False

    def __init__(self, why: str) -> None:
        self._why = why

    def take(self, key: bytes, rate: Rate, /) -> int:
        """Raise `StoreUnavailable`."""
        raise StoreUnavailable(self._why)

    def check(self) -> None:
        """Raise `StoreUnavailable`."""
        raise StoreUnavailable(self._why)

    def close(self) -> None:
        """Do nothing."""


def guard() -> Guard:
    """Return the guard of this process, for the current settings."""
    return _guard or _make()


def close() -> None:
    """Close the store. The next request creates another one."""
    global _guard
    with _making:
        left, _guard = _guard, None
    if left is not None:
        left.store.close()


_guard: Guard | None = None
_making = threading.Lock()


def _make() -> Guard:
    global _guard  # noqa: PLW0603  (of the process)
    with _making:
        if _guard is None:
            store = _store()
            _guard = RemoteGuard(store) if store.is_remote else Guard(store)
        return _guard


def _store() -> Store:
    name = conf().LIMITS_STORE
    if name == "database":
        store: Store = import_string("systemlog.limits.stores.database.DatabaseStore")(conf().DATABASE)
        return store
    if name != "shared":
        try:
            kind = import_string("systemlog.limits.stores.redis.RedisStore")
        except ImportError:
            return NoStore("The package redis is not installed.")
        made: Store = kind(name)
        return made
    directory = limits_directory()
    if directory is None:
        return NoStore(f"There is no directory for it: set {NAME}['LIMITS_DIR'], or BASE_DIR.")
    from systemlog.limits.stores.shared import SharedStore

    return SharedStore(directory / FILE)


def _warn(why: str) -> None:
    consequence = "every request is let in" if conf().LIMITS_FAIL == "open" else "requests are answered with 503"
    logger.warning(
        "The store of the rate limits does not answer (%s): %s.",
        why,
        consequence,
        extra={"action": "limits.store_dead", "store": conf().LIMITS_STORE.partition(":")[0]},
    )


def _log_recovery() -> None:
    logger.info(
        "The store of the rate limits answers again.",
        extra={"action": "limits.store_back", "store": conf().LIMITS_STORE.partition(":")[0]},
    )


# Without the correlation of the request that notices the failure, because it is not the cause.
_warn_uncorrelated = carried(None, _warn)
_report_recovery = carried(None, _log_recovery)


def _find_anew(*, setting: str, **_: object) -> None:
    if setting in (NAME, "DATABASES"):
        close()


setting_changed.connect(_find_anew)


@run_after_fork
def _begin_in_child() -> None:
    global _guard, _making  # noqa: PLW0603  (it may have been held when the process forked)
    _making = threading.Lock()
    if _guard is not None:
        _guard._lock = threading.Lock()
        if _guard.is_remote:
            _guard = None  # not closed, because the parent uses the connections
