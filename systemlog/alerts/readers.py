"""Reading the log for every rule of an evaluation. Each statement has a timeout."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, InterfaceError, OperationalError

from systemlog.alerts.absence import Watcher
from systemlog.alerts.comparing import EarlierTime
from systemlog.alerts.counting import MOST_ROWS, Counter, Reading, TooMany
from systemlog.alerts.fields import SECOND_US
from systemlog.alerts.records import LOGGER
from systemlog.alerts.rules import NoneFor, Rule, TimesAsMany
from systemlog.alerts.spans import to_us
from systemlog.conf import conf
from systemlog.storage import BudgetSpent, get_storage

logger = logging.getLogger(LOGGER)

STATEMENT_S = 1.0
"""Timeout of a statement. A rule whose statement exceeds it is in the state `error` until a later reading succeeds."""

SWEEP_S = 0.02
"""How long a rule reads older pages in one evaluation. One older page is always read."""

CATCH_UP_S = 0.2
"""The same for a rule whose look-back was last read in full more than `BEHIND_US` ago, as after an outage."""

BEHIND_US = 10 * 60 * SECOND_US

IN_FULL_S = 3600.0

MAX_SKIPPED = 16
"""A rule that keeps failing skips at most this many evaluations before it is tried again."""

TOO_SLOW = f"It took longer than {STATEMENT_S:g} s, and was cut off."
TOO_MANY = f"A window had {MOST_ROWS:,} records, and the earlier time too many to tell. Take a shorter 'within'."


@dataclass(frozen=True, slots=True)
class Failure:
    """The reading of a rule failed. `text` says why, and quotes nothing from the message of the database."""

    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the row of a rule says: when its look-back was last read in full, the time of the last record seen, and the
    reported spans."""

    complete_at: datetime | None
    last_seen: datetime | None
    told: Sequence[tuple[int, int]] = ()


class Reader:
    """Reads the log for one rule, evaluation after evaluation."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.failures = 0
        self.to_skip = 0
        match rule.condition:
            case NoneFor():
                self._reader: Counter | Watcher = Watcher(rule)
            case TimesAsMany() as condition:
                self._reader = Counter(rule, EarlierTime(rule, condition))
            case _:
                self._reader = Counter(rule)
        self._last_seen: int | None = None

    def read(self, now: int, silent_now: int, late_us: int, known: Known, *, in_full: bool) -> Reading:
        """Read the look-back of the rule. Raises `DatabaseError`, `BudgetSpent`, `TooMany`.

        `silent_now` is the instant up to which the absence of records can be judged; `late_us` is how late a record may
        land and still count.
        """
        since = min(now, to_us(known.complete_at)) if known.complete_at else now
        is_behind = known.complete_at is None or now - since > BEHIND_US
        more_until = time.monotonic() + (IN_FULL_S if in_full else CATCH_UP_S if is_behind else SWEEP_S)
        lower = since - late_us - self.rule.window_us  # a record that landed since then may be this old
        if isinstance(self._reader, Counter):
            return self._reader.read(now, lower, more_until, known.told)
        seen = [instant for instant in (self._last_seen, known.last_seen and to_us(known.last_seen)) if instant]
        reading = self._reader.read(silent_now, lower, more_until, max(seen, default=None))
        self._last_seen = reading.last_seen
        return reading

    def failed(self, *, too_slow: bool) -> None:
        """Record a failure. Each further failure in a row delays the next reading more.

        With `too_slow`, the next reading takes a shorter slice of time.
        """
        if too_slow:
            self._reader.slices.shorten()
        self.failures += 1
        self.to_skip = min(2 ** (self.failures - 1) - 1, MAX_SKIPPED)

    def succeeded(self) -> None:
        """Record that a reading succeeded."""
        self.failures = self.to_skip = 0


def read_all(
    readers: Iterable[Reader], known: dict[str, Known], *, now: int, silent_now: int, late_us: int, in_full: bool
) -> Iterator[tuple[Reader, Reading | Failure]]:
    """Yield the reading, or the failure, of each rule. A rule that fails does not stop the others.

    The rules share a transaction, so that the timeout is set only once. A failure ends the transaction, and the
    remaining rules get a new one. Raises `OperationalError` and `InterfaceError` if the database is unavailable.
    """
    waiting = [reader for reader in readers if not _skips(reader)]
    storage = get_storage(conf().DATABASE)
    while waiting:
        reader = waiting[0]
        try:
            with storage.budget() as allow:
                allow(STATEMENT_S)
                while waiting:
                    reader = waiting.pop(0)
                    if storage.connection.vendor == "sqlite":
                        allow(STATEMENT_S)  # SQLite's limit is a deadline for all statements
                    reading = reader.read(now, silent_now, late_us, known[reader.rule.name], in_full=in_full)
                    reader.succeeded()
                    yield reader, reading
        except BudgetSpent:
            reader.failed(too_slow=True)
            yield reader, Failure(TOO_SLOW)
        except TooMany:
            reader.failed(too_slow=True)
            yield reader, Failure(TOO_MANY)
        except (OperationalError, InterfaceError):
            raise
        except DatabaseError as error:
            reader.failed(too_slow=False)
            yield reader, Failure(f"The database refused it: {type(error).__name__}.")
        except Exception as error:
            reader.failed(too_slow=False)
            logger.warning(
                "An alert rule could not be evaluated.",
                exc_info=error,
                extra={"action": "alerts.rule_failed", "rule": reader.rule.name},
            )
            yield reader, Failure(f"It failed: {type(error).__name__}.")


def _skips(reader: Reader) -> bool:
    if reader.to_skip:
        reader.to_skip -= 1
        return True
    return False
