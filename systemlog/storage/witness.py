"""The witness: a hook that the storages call when they store or remove records.

`systemlog.digests` registers its witness when the app starts, and signs statements about these records. The storages
cannot import the digests, because the digests use the storages.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from django.db.backends.base.base import BaseDatabaseWrapper

from systemlog.storage.calendar import Span
from systemlog.storage.conditions import Condition

Keys = Callable[[Callable[[datetime], bool]], Sequence[tuple[datetime, uuid.UUID | None]]]
"""A callable that returns the keys of those stored records whose time a given function accepts."""


class Removal:
    """Watches one run of retention. This base class does nothing."""

    watches = False

    def read(self, table: str, span: Span, condition: Condition) -> None:
        """Read all records of a span. Those that meet the condition are about to be removed."""

    def sign(self) -> None:
        """Write statements about the records that were read, in the transaction that removes them."""

    def drop(self, span: Span) -> None:
        """Write a statement about a span that loses all its records, in the transaction that removes them."""

    def archiving(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same blocks of lines, which are written to an archive."""
        return blocks

    def finish(self) -> None:
        """Write a statement about records that were archived and not removed. Called outside a transaction."""

    def archived(self, file: str, content_sha256: str) -> None:
        """Take note of the archive's file that holds the blocks passed to `archiving`."""


class Witness:
    """Watches records being stored and removed. This base class does nothing."""

    def noting(
        self, connection: BaseDatabaseWrapper, hours: Callable[[], Iterable[datetime]], keys: Keys
    ) -> AbstractContextManager[object]:
        """Return a context manager for a block that stores records of these hours.

        The witness may call `keys` before and after the records are stored, in the same transaction.
        """
        return nullcontext()

    def removing(self, connection: BaseDatabaseWrapper, waiting: Callable[[], None]) -> AbstractContextManager[Removal]:
        """Return a context manager for a run of retention."""
        return nullcontext(Removal())


_witness = Witness()


def register(witness: Witness) -> None:
    """Make this the witness that the storages call."""
    global _witness  # noqa: PLW0603  (one for each process)
    _witness = witness


def get_witness() -> Witness:
    """Return the witness that was registered last; without one, a witness that does nothing."""
    return _witness
