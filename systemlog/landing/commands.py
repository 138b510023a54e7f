"""What stands around each run of a management command: put it into the project's `manage.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from systemlog.correlation import Correlation, correlated
from systemlog.landing.thread import landing_at_end


@contextmanager
def command_run() -> Iterator[Correlation]:
    """A run of a command: it has a correlation id of its own, and what it logs is landed when it ends."""
    with landing_at_end(), correlated() as correlation:
        yield correlation
