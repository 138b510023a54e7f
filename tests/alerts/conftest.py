"""Fixtures of the room: rules in the settings, records at given times, a receiver, and evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from systemlog.alerts.deliverer import Deliverer
from systemlog.alerts.evaluator import Evaluator, Result
from systemlog.journal import directory
from systemlog.landing import Lander
from systemlog.models import SystemLog
from tests.groups.conftest import error
from tests.support import receivers
from tests.support.landing import write
from tests.support.receivers import Hook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Rules = Callable[..., None]
Records = Callable[..., None]
Landed = Callable[..., None]


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver that takes every message."""
    with receivers.hook() as running:
        yield running


@pytest.fixture
def rules(settings: Any, hook: Hook) -> Rules:
    """Sets the rules, each with the receiver `hook`, and further settings by name."""

    def begin(*given: dict[str, Any], **more: Any) -> None:
        settings.SYSTEMLOG = {
            **settings.SYSTEMLOG,
            "ALERTS": [{"to": ["hook"], **rule} for rule in given],
            "ALERT_RECEIVERS": {"hook": {"webhook": hook.url, "secret": SECRET}},
            **more,
        }

    return begin


@pytest.fixture
def records(db: None) -> Records:
    """Stores records: `records(6, ago=30)` stores six errors from half a minute ago, a millisecond apart."""

    def store(number: int, *, ago: float = 0.0, every: float = 0.001, level: str = "ERROR", **fields: Any) -> None:
        first = datetime.now(UTC) - timedelta(seconds=ago)
        SystemLog.objects.bulk_create(
            SystemLog(
                timestamp=first + timedelta(seconds=place * every),
                level=level,
                **{"category": "shop", "message": "it failed", **fields},
            )
            for place in range(number)
        )

    return store


@pytest.fixture
def landed(journal: Callable[..., Path], db: None) -> Landed:
    """Lands an error for each message: `landed("a failed", "b failed", category="shop")`."""
    folder = journal()
    directory.make_folder(folder)

    def land(*messages: str, **fields: Any) -> None:
        write(folder, [error(message, **fields) for message in messages])
        Lander(folder).land_all()

    return land


class Clock:
    """Evaluates rules and delivers messages, and lets time pass without waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._ahead = timedelta(0)
        self.restart()

    def restart(self) -> None:
        """Forget everything that a process remembers, as after a restart."""
        self._evaluator, self._deliverer = Evaluator(), Deliverer("test")

    def passes(self, seconds: float) -> None:
        """Let time pass for evaluations and messages. Records keep the real time."""
        self._ahead += timedelta(seconds=seconds)
        ahead = self._ahead

        class Later(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + ahead

        for module in ("evaluator", "deliverer", "silencing", "reading"):
            self._monkeypatch.setattr(f"systemlog.alerts.{module}.datetime", Later)

    def evaluate_only(self) -> Result:
        """Evaluate once, and send nothing."""
        return self._evaluator.evaluate(in_full=True)

    def evaluate(self, *, in_full: bool = True) -> Result:
        """Evaluate once, and send the due messages. Without `in_full`, a busy machine may read a part later."""
        result = self._evaluator.evaluate(in_full=in_full)
        self._deliverer.deliver_once()
        return result

    def deliver(self) -> tuple[int, int]:
        """Send the due messages."""
        return self._deliverer.deliver_once()


@pytest.fixture
def clock(db: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """An evaluator and a deliverer whose time a test moves."""
    return Clock(monkeypatch)
