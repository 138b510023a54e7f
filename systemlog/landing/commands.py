"""The context of a management command, for the project's `manage.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from systemlog.correlation import Correlation, correlated
from systemlog.landing.thread import landing_at_end


@contextmanager
def command_run() -> Iterator[Correlation]:
    """Give the command a correlation id of its own, and land what it logged when it ends."""
    with landing_at_end(), correlated() as correlation:
        yield correlation
