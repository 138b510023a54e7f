"""Fixtures and helpers for records of many ages, and the partitions that contain them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest
from django.db import connections

from systemlog.conf import conf
from systemlog.storage import get_storage
from systemlog.storage.postgresql import partitioned
from tests.support.retention import NOW, partitions_of_today, sql


@pytest.fixture
def store(transactional_db: None) -> Callable[..., None]:
    """A function that stores rows."""
    return lambda *rows: get_storage().insert(rows) and None


def _drop_partitions(names: Iterable[str]) -> None:
    for name in names:
        sql(f"DROP TABLE {name}")
    partitioned.known_spans.clear()


@pytest.fixture
def fresh_partitions(transactional_db: None) -> Iterator[None]:
    """Give each test only the partitions of the present, whatever partitions the previous test created or dropped."""
    if connections[conf().DATABASE].vendor != "postgresql":
        yield
        return
    before = {name: report.partition.span for name, report in partitions_of_today().items()}
    present = {name for name, span in before.items() if span.upper > NOW}
    _drop_partitions(
        before.keys() - present
    )  # other tests created them, for fixed days that happen to lie in this week
    yield
    _drop_partitions(partitions_of_today().keys() - present)
    for name in present - partitions_of_today().keys():
        get_storage().ensure_partitions([before[name].lower])
