"""The witness, which watches records being stored and removed. The interface that `systemlog.digests` implements.

The storages call the witness. They cannot import it, because it uses them, so it is registered when the app starts.
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
"""Returns the keys of the records whose time the given function accepts."""


class Removal:
    """Watches one run of retention. This one does nothing."""

    watches = False

    def read(self, table: str, span: Span, condition: Condition) -> None:
        """Read the records of a span, including those that are about to be removed by the condition."""

    def sign(self) -> None:
        """Account for what was read, in the transaction that removes it."""

    def drop(self, span: Span) -> None:
        """Account for a span all of whose records are removed, in the transaction that removes them."""

    def archiving(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the same blocks of lines, which are written to an archive."""
        return blocks

    def finish(self) -> None:
        """Account for what was archived and not removed, outside a transaction."""

    def archived(self, file: str, content_sha256: str) -> None:
        """Account for a file of an archive that holds those blocks."""


class Witness:
    """Watches records being stored and removed. This one does nothing."""

    def noting(
        self, connection: BaseDatabaseWrapper, hours: Callable[[], Iterable[datetime]], keys: Keys
    ) -> AbstractContextManager[object]:
        """Return a context manager for a block that stores records of these hours."""
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
