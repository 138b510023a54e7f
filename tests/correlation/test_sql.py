"""SQL comments with the correlation id of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django.fixtures import Settings

from systemlog.correlation import correlated
from systemlog.correlation.sqlcommenter import comment_statements, commented

FIELDS = {"route": "items/<int:pk>", "correlation_id": "given"}
COMMENT = "/*correlation_id='given',route='items%2F%3Cint%3Apk%3E'*/"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", f"SELECT 1 {COMMENT}"),
        ("SELECT 1 ;\n", f"SELECT 1 {COMMENT};"),
        ("SELECT 1 /* mine */", "SELECT 1 /* mine */"),
        ("SELECT 1 -- mine", "SELECT 1 -- mine"),
        ("SELECT '/* no comment */'", "SELECT '/* no comment */'"),
    ],
)
def test_a_statement_gets_a_comment_unless_it_has_one(sql: str, expected: str) -> None:
    assert commented(sql, FIELDS, has_params=False) == expected


def test_percent_signs_are_doubled_where_parameters_go_with_the_statement() -> None:
    assert commented("SELECT %s", FIELDS, has_params=True) == "SELECT %s " + COMMENT.replace("%", "%%")


def test_no_value_can_end_the_comment() -> None:
    value = "*/; DROP TABLE x; --'\\"
    text = commented("SELECT 1", {"route": value}, has_params=False)

    assert text.count("*/") == 1
    assert unquote(text.split("'")[1]) == value


@pytest.fixture
def statements(db: None, settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """A list of the statements that reach the driver, with comments turned on."""
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "CORRELATION_SQL_COMMENTS": True}
    before = list(connection.execute_wrappers)
    comment_statements(connection)
    comment_statements(connection)
    seen: list[str] = []

    def watch(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        seen.append(sql)
        return execute(sql, params, many, context)

    connection.execute_wrappers.append(watch)  # the last is the innermost: it sees the statement of the driver
    yield lambda: seen
    connection.execute_wrappers[:] = before


def test_statements_of_a_request_say_so_and_still_work(statements: Callable[[], list[str]]) -> None:
    with correlated("a/b"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT %s, '50%%'", ["x"])
        assert cursor.fetchone() == ("x", "50%")
        cursor.execute("SELECT '50%'")
        assert cursor.fetchone() == ("50%",)

    assert [sql.split("/*")[1].count("correlation_id") for sql in statements()] == [1, 1, 1]


def test_statements_of_many_parameters_work(statements: Callable[[], list[str]]) -> None:
    with correlated("a/b"), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE many (x integer)")
        cursor.executemany("INSERT INTO many VALUES (%s)", [(1,), (2,)])
        cursor.execute("SELECT sum(x) FROM many")
        assert cursor.fetchone() == (3,)
        cursor.execute("DROP TABLE many")


def test_the_trace_is_told_once_there_is_one(statements: Callable[[], list[str]]) -> None:
    with correlated("given", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert "traceparent='00-0af7651916cd43dd8448eb211c80319c-" in statements()[0]


def test_statements_outside_of_any_correlation_stay_as_they_are(statements: Callable[[], list[str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert statements() == ["SELECT 1"]


def test_without_the_setting_a_connection_is_left_alone(db: None) -> None:
    before = list(connection.execute_wrappers)
    comment_statements(connection)

    assert connection.execute_wrappers == before


def test_a_new_connection_is_told(db: None, settings: Settings) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "CORRELATION_SQL_COMMENTS": True, "AUDIT": {}}
    other: BaseDatabaseWrapper = connection.copy()
    before = len(other.execute_wrappers)
    other.ensure_connection()
    other.close()

    assert len(other.execute_wrappers) == before + 1


def test_a_connection_that_opens_under_a_projects_own_wrapper_keeps_ours_and_loses_his(
    db: None, settings: Settings
) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "CORRELATION_SQL_COMMENTS": True}
    other: BaseDatabaseWrapper = connection.copy()
    seen: list[str] = []

    def his(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        seen.append(sql)
        return execute(sql, params, many, context)

    try:
        with correlated("given"):
            with other.execute_wrapper(his), other.cursor() as cursor:  # opens the connection
                cursor.execute("SELECT 1")
            his_calls = len(seen)
            with other.execute_wrapper(his), other.cursor() as cursor:
                cursor.execute("SELECT 1")
            with other.cursor() as cursor:
                cursor.execute("SELECT 1")
    finally:
        other.close()

    assert "correlation_id='given'" in seen[-1]
    assert len(seen) == his_calls + 1
    assert his not in other.execute_wrappers
