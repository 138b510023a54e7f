"""Tests of projects that log: capture the records of a block, without a disk or a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from systemlog.journal import backends
from systemlog.journal.memory import MemorySink
from systemlog.storage import Row


@contextmanager
def captured_records() -> Iterator[list[Row]]:
    """Context manager: gives the list of the records that the code inside makes, as they would be stored. Nothing is
    stored.

    `with captured_records() as records: pay(order)`, then `assert records[0].category == "order.paid"`.
    """
    records: list[Row] = []
    before = backends.replace(MemorySink(records))
    try:
        yield records
    finally:
        backends.replace(before)
