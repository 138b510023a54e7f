"""PostgreSQL's plan of every query that the API sends: it uses the right index and reads only the right partitions.

No plan has a sequential scan, or a sort of more than a page.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client

from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.search import time_walk
from systemlog.storage import get_storage
from systemlog.storage.lookups import By
from systemlog.storage.postgresql import lookup_functions
from tests.support.databases import on_citus

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="these are PostgreSQL's plans"),
    pytest.mark.skipif(on_citus(), reason="the plans of a cluster are those of its shards"),
]

URL = "/system/logs/"
DAYS = 5
SMALL_PARTITION = 1000
"""A partition with fewer rows may be scanned as a whole. A day of the test has 5,760 rows."""

NOW = datetime.now(UTC)

NEWEST = NOW if NOW.hour >= 5 else NOW.replace(hour=0, minute=0, second=0) - timedelta(seconds=1)
"""The time of the newest record: a page must not be found in a partition that has just begun, and is scanned whole."""

FILL_SQL = """
    INSERT INTO system_logs (timestamp, level, category, source, message, correlation_id, user_id, context, trace_id,
        subject)
    SELECT %s - n * interval '15 seconds',
        CASE WHEN n %% 1000 = 7 THEN 'CRITICAL' WHEN n %% 33 = 5 THEN 'ERROR' WHEN n %% 14 = 3 THEN 'WARNING'
            ELSE 'INFO' END,
        'c' || n %% 20, 'web-' || n %% 3, 'message ' || n, 'r' || n / 8, 'u' || n %% 997,
        jsonb_build_object('order', n), 't' || n / 8, 'shop.order:' || n %% 5003
    FROM generate_series(0, %s) n
"""


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Store a record for every 15 seconds of five days."""
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            get_storage().ensure_partitions([NOW - timedelta(days=day) for day in range(DAYS + 2)])
            with connections[conf().DATABASE].cursor() as cursor:
                cursor.execute(FILL_SQL, [NEWEST, DAYS * 5760])
                cursor.execute("VACUUM (ANALYZE) system_logs")
        yield
        if connection.vendor == "postgresql":
            with connections[conf().DATABASE].cursor() as cursor:
                cursor.execute("TRUNCATE system_logs, system_log_rollup")


@pytest.fixture
def client(rows: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


class Plan:
    """The plan of one statement, as EXPLAIN ANALYZE shows it."""

    def __init__(self, sql: str, params: Any) -> None:
        with connections[conf().DATABASE].cursor() as cursor:
            cursor.execute("SET LOCAL jit = off")
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            (answer,) = cursor.fetchone()
        self.text = json.dumps(answer, indent=1)
        root = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
        self.nodes = list(self._walk(root))

    def _walk(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("Plans", ()):
            yield from self._walk(child)

    @property
    def indexes(self) -> set[str]:
        """The columns of the indexes that were used, also of those that found no rows."""
        names = (node["Index Name"] for node in self.nodes if "Index Name" in node)
        return {"_".join(name.removesuffix("_idx").split("_")[4:]) for name in names}

    @property
    def partitions(self) -> set[str]:
        """The partitions of the present and the past that the statement read."""
        today = f"system_logs_{NOW:%Y%m%d}"
        read = (node for node in self.nodes if "Relation Name" in node and node["Actual Loops"])
        return {node["Relation Name"] for node in read if node["Relation Name"][: len(today)] <= today}

    @property
    def rows_read(self) -> int:
        """The number of rows read from partitions, including those that the filter removed."""
        read = [node for node in self.nodes if "Relation Name" in node]
        return sum(
            int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]) for node in read
        )

    def check(self, limit: int) -> None:
        """Raise `AssertionError` for a scan of a whole partition, or a sort of more than a page."""
        for node in self.nodes:
            if node["Node Type"] == "Seq Scan":
                # A partition of a few pages, or of none, is best read as a whole.
                assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) < SMALL_PARTITION, self.text
            if node["Node Type"] == "Sort":
                (sorted_,) = node["Plans"]
                assert sorted_["Actual Rows"] * sorted_["Actual Loops"] <= max(limit + 1, SMALL_PARTITION), self.text


def prepared(function: str, by: str) -> str:
    """Prepare the statement of a lookup function with a generic plan, and return the SQL that executes it."""
    parameters = ["wanted", "since", "until", "before", "most"]
    statement = lookup_functions.STATEMENTS[function][By(by)]
    for number, name in enumerate(parameters, 1):
        statement = re.sub(rf"\b{name}\b", f"${number}", statement)
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        name = f"{function}_{uuid.uuid4().hex}"
        cursor.execute(f"PREPARE {name} (text, timestamptz, timestamptz, uuid, bigint) AS {statement}")
    return f"EXECUTE {name} (%s, %s, %s, %s, %s)"


def plans(client: Client, url: str) -> list[Plan]:
    """Return the plans of the statements that read the table when a client gets the URL."""
    seen: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if 'FROM "system_logs"' in sql:
            seen.append((sql, params))
        elif function := re.search(r"\b(system_logs_of|system_logs_number_of)\(", sql):
            seen.append((prepared(function[1], params[0]), params[1:6]))
        return execute(sql, params, many, context)

    with connections[conf().DATABASE].execute_wrapper(note):
        response = client.get(url)
    assert response.status_code == 200, response.content
    assert response.json().get("complete", True)
    return [Plan(*each) for each in seen]


PAGES = {
    "": "pkey",
    "level=INFO": "pkey",
    "level=WARNING&limit=10": "pkey",
    "min_level=WARNING&limit=10": "pkey",
    "level=ERROR": "timestamp_level_category",
    "level=CRITICAL": "timestamp_level_category",
    "min_level=ERROR": "timestamp_level_category",
    "level=CRITICAL&level=ERROR": "timestamp_level_category",
    "category=c3": "category_timestamp",
    "correlation_id=r777": "correlation_id",
    "trace_id=t777": "trace_id",
    "user_id=u77": "user_id_timestamp",
    "subject=shop.order:77": "subject_timestamp",
    "context.order=7777": "context",
    "level=CRITICAL&category=c7": "category_timestamp_idx1",  # the one of CRITICAL alone
    "min_level=ERROR&category=c5": "timestamp_level_category",
    "level=INFO&category=c5": "category_timestamp",
    "correlation_id=r777&level=INFO": "correlation_id",
    "correlation_id=r777&category=c0": "correlation_id",
    "trace_id=t777&min_level=WARNING": "trace_id",
    "user_id=u77&level=INFO": "user_id_timestamp",
    "user_id=u77&category=c3": "user_id_timestamp",
    "subject=shop.order:77&level=INFO": "subject_timestamp",
    "user_id=u77&since=-3d": "user_id_timestamp",
    "category=c3&since=-3d&until=-2d": "category_timestamp",
    "level=ERROR&since=-3d&until=-2d": "timestamp_level_category",
    "since=-3d&until=-50h": "pkey",
    "context.order=7777&since=-4d": "context",
}


@pytest.mark.parametrize("query", PAGES)
def test_a_page_is_found_by_its_index(client: Client, query: str) -> None:
    seen = plans(client, f"{URL}?{query}")
    assert seen
    for plan in seen:
        plan.check(limit=200)
    assert PAGES[query] in set().union(*(plan.indexes for plan in seen))
    if PAGES[query] != "pkey":
        assert sum(plan.rows_read for plan in seen) <= 2000


@pytest.mark.parametrize(
    ("query", "partitions"),
    [("limit=50", 2), ("since=-3d&until=-50h", 2), ("level=ERROR&since=-26h", 3), ("user_id=u77&since=-26h", 3)],
)
def test_only_the_partitions_of_its_time_are_read(client: Client, query: str, partitions: int) -> None:
    for plan in plans(client, f"{URL}?{query}"):
        assert len(plan.partitions) <= partitions, plan.text


def test_deep_pages_are_found_as_the_first_one_is_both_ways(client: Client) -> None:
    deep = client.get(f"{URL}?limit=100&until=-4d").json()["next"]
    for _ in range(3):
        page = client.get(deep).json()
        for plan in plans(client, deep):
            plan.check(limit=100)
            assert plan.indexes <= {"pkey"}
            assert len(plan.partitions) <= 2
        deep = page["next"]
    back = client.get(deep).json()["previous"]
    for plan in plans(client, back):
        plan.check(limit=100)
        assert plan.indexes <= {"pkey"}
        assert len(plan.partitions) <= 2


def test_a_record_is_found_by_its_id(client: Client) -> None:
    record = SystemLog.objects.all()[20_000]
    for plan in plans(client, f"{URL}{record.id}/"):
        plan.check(limit=1)
        assert plan.indexes <= {"id", "pkey"}


def test_a_page_by_an_index_takes_few_statements(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_walk, "SLICE_S", 1000)  # as if every statement were quick
    for query in PAGES:
        assert len(plans(client, f"{URL}?{query}")) <= 8, query


def test_the_partitions_of_a_query_are_a_few_dozen_at_most(client: Client) -> None:
    get_storage().ensure_partitions([NOW - timedelta(days=31 * month) for month in range(2, 24)])
    for query in ("level=ERROR&category=none", "source=none", "q=nothing"):
        for plan in plans(client, f"{URL}?{query}"):
            scanned = {node["Relation Name"] for node in plan.nodes if "Relation Name" in node}
            assert len(scanned) <= time_walk.PARTITIONS_OF_A_SLICE, query


def test_a_function_that_keeps_its_plan_asks_one_index_of_each_partition(client: Client) -> None:
    get_storage().ensure_partitions([NOW - timedelta(days=31 * month) for month in range(2, 24)])
    for query in ("user_id=nobody", "correlation_id=nothing", "category=none", "level=CRITICAL&category=none"):
        *_, plan = plans(client, f"{URL}?{query}")
        scans = [node["Index Name"] for node in plan.nodes if "Index Name" in node]
        assert DAYS < len(scans) <= len(get_storage().partition_spans())
