"""Pruning whole partitions: `python -m benchmarks.retention --whole 100000 1000000 [--pg-bin DIR]`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.retention import BATCH, FILL, cost, execute

OUT_OF_ORDER = 2000
"""With `--whole`, a record may land after this many later ones, as with the journals of several hosts."""

WHOLE = 10
"""Number of whole partitions that `--whole` prunes."""

INDEX_BYTES = """
    SELECT sum(pg_relation_size(indexrelid)) FROM pg_index
    WHERE indrelid = to_regclass('system_logs_' || to_char(%s AT TIME ZONE 'UTC', 'YYYYMMDD') || '_'
            || to_char(%s AT TIME ZONE 'UTC' + interval '1 day', 'YYYYMMDD'))
        AND indpred IS NULL AND pg_get_indexdef(indexrelid) LIKE '%%(category, "timestamp"%%'
"""


def measure_whole(sizes: Sequence[int]) -> None:
    """Prune ten whole partitions of each size, and print the cost."""
    from django.core.management import call_command

    from systemlog.retention.prune import plan, prune
    from systemlog.storage.expiry import Policy

    call_command("migrate", verbosity=0)
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)
    names = f"{'rows a partition':>16} {'index before':>14} {'sealed':>8} {'sealing':>9} {'dry run':>9}"
    print(f"{names} {'prune':>9} {'DROP TABLE':>11}")
    for rows in sizes:
        load_days(end, rows)
        before = index_bytes(end) / rows
        sealing_s, _ = cost(lambda: prune([Policy(keep=None)]))
        after = index_bytes(end) / rows
        execute("CHECKPOINT")
        policies = [Policy(keep=datetime.now(UTC) - end)]
        began = time.perf_counter()
        steps = list(plan(policies))
        dry_s = time.perf_counter() - began
        expected = [(rows, "drop")] * WHOLE
        assert [(step.expired, step.action.value) for step in steps] == expected, steps
        with timed("DROP TABLE") as took:
            prune_s, _ = cost(lambda policies=policies: prune(policies))
        sizes_told = f"{rows:>16,} {before:12.0f} B {after:6.0f} B"
        print(f"{sizes_told} {sealing_s:7.2f} s {dry_s:7.3f} s {prune_s:7.3f} s {sum(took):9.3f} s")


def load_days(end: datetime, rows: int) -> None:
    """Load `rows` events into each of the ten days before `end`.

    Those of the newest day land in batches, with all indexes. The other days get their indexes when they are full.
    """
    from systemlog.storage import get_storage

    newest = end - timedelta(days=1)
    get_storage().ensure_partitions([newest])
    for number in range(WHOLE):
        day = newest - timedelta(days=number)
        table = f"loaded_{number}" if number else "system_logs"
        if number:
            execute(f"CREATE TABLE {table} (LIKE system_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        step = timedelta(days=1) / (rows + OUT_OF_ORDER + 1)
        for first in range(1, rows + 1, BATCH):
            last = min(first + BATCH - 1, rows)
            execute(FILL.format(table=table), day, OUT_OF_ORDER, -step, first, last)
        if number:
            bounds = f"FROM ('{day}') TO ('{day + timedelta(days=1)}')"
            execute(f"ALTER TABLE system_logs ATTACH PARTITION {table} FOR VALUES {bounds}")


@contextlib.contextmanager
def timed(beginning: str) -> Iterator[list[float]]:
    """Collect the seconds of each statement with this beginning. DROP TABLE includes the time to free the files."""
    from django.db import connection

    took: list[float] = []

    def wrap(execute: Callable[..., Any], statement: str, *rest: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(statement, *rest)
        finally:
            if statement.startswith(beginning):
                took.append(time.perf_counter() - began)

    with connection.execute_wrapper(wrap):
        yield took


def index_bytes(end: datetime) -> int:
    """Return the bytes of the index (category, timestamp) of the day before `end`."""
    return int(execute(INDEX_BYTES, *[end - timedelta(days=1)] * 2))
