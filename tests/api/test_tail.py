"""GET of the tail: what has landed since a cursor, once, whatever the timestamps are and whenever transactions end."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client

from systemlog.conf import conf
from systemlog.landing import Lander
from systemlog.landing.notes import forget
from systemlog.models import SystemLog
from systemlog.recording import record
from systemlog.search import tail
from systemlog.storage import Row, get_storage
from tests.support.databases import on_citus
from tests.support.landing import execute

# Records of the transaction that asks are not visible to anybody else yet, and so have not landed.
pytestmark = pytest.mark.django_db(transaction=True)

URL = "/system/logs/tail/"
NO_TRIGGER = "what plain SQL stores on a cluster is neither counted nor noted"
NOW = datetime.now(UTC)
MICROSECOND = timedelta(microseconds=1)


class Follower:
    """A client that follows the log, and says what it got."""

    def __init__(self, client: Client, filters: str = "") -> None:
        self._client, self._filters = client, filters
        self.after = self.ask()["after"]

    def ask(self, after: str = "", limit: int = 200) -> Any:
        response = self._client.get(f"{URL}?{self._filters}&limit={limit}" + (f"&after={after}" if after else ""))
        assert response.status_code == 200, response.content
        return response.json()

    def new(self, limit: int = 200) -> list[str]:
        """The messages of all that is new, page by page."""
        messages: list[str] = []
        while True:
            page = self.ask(self.after, limit)
            assert (page["gap"], page["poll_ms"]) == (False, 1000)
            assert len(page["items"]) <= limit
            messages += [item["message"] for item in page["items"]]
            self.after = page["after"]
            if not page["more"]:
                return messages


@pytest.fixture
def follow(client: Client) -> Callable[..., Follower]:
    return lambda filters="": Follower(client, filters)


def row(message: str, ago: timedelta = timedelta(0), **columns: Any) -> Row:
    blank = Row(NOW - ago, uuid.uuid4(), "INFO", "general", "", message, None, None, {}, None, None, None)
    return blank._replace(**columns)


def store(*messages: str, **columns: Any) -> None:
    rows = [row(message, **columns) for message in messages]
    get_storage().insert([each._replace(timestamp=each.timestamp + n * MICROSECOND) for n, each in enumerate(rows)])


def test_a_tail_begins_now_and_has_the_records_as_the_list_has_them(client: Client) -> None:
    store("before")
    response = client.get(URL)
    assert response.headers["Cache-Control"] == "private, no-store"
    body = response.json()
    assert {**body, "after": ""} == {"items": [], "after": "", "more": False, "gap": False, "poll_ms": 1000}
    store("a", context={"order": 7}, user_id="7")
    page = client.get(f"{URL}?after={body['after']}").json()
    assert page["items"] == client.get("/system/logs/?limit=1&context.order=7").json()["items"]
    assert page["more"] is False


def test_late_records_come_when_they_land_and_in_that_order(follow: Callable[..., Follower]) -> None:
    follower = follow()
    store("old", ago=timedelta(days=400))
    store("new")
    store("older", ago=timedelta(days=4000))
    assert follower.new() == ["old", "new", "older"]
    assert follower.new() == []


def test_the_same_cursor_gives_the_same_records_again(follow: Callable[..., Follower]) -> None:
    follower = follow()
    store(*"abc")
    first = follower.ask(follower.after, limit=2)
    store("d")
    assert [item["message"] for item in first["items"]] == ["a", "b"]
    assert follower.ask(follower.after, limit=2)["items"] == first["items"]
    follower.after = first["after"]
    assert follower.new() == ["c", "d"]


@pytest.mark.parametrize("limit", [1, 2, 7, 2000])
def test_pages_miss_and_double_nothing(
    follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(tail, "READ_AT_ONCE", 5)
    follower = follow()
    chance = random.Random(limit)
    expected = []
    for number in range(12):
        size = chance.choice([1, 3, 30])
        rows = [row(f"{number}-{each}", timedelta(days=chance.randrange(3))) for each in range(size)]
        get_storage().insert(rows)
        expected += [each.message for each in rows]
        if number % 5 == 4:
            assert sorted(follower.new(limit)) == sorted(expected)
            expected = []
    assert sorted(follower.new(limit)) == sorted(expected)


def test_a_tail_has_what_its_filters_let_through(follow: Callable[..., Follower]) -> None:
    filters = 'query=level:error -source:b "x y" since:-1h&category!=c'
    follower = follow(filters)
    store("x y 1", level="ERROR")
    store("x y 2", level="INFO")
    store("x y 3", level="ERROR", source="b")
    store("x y 4", level="ERROR", category="c")
    store("x y 5", level="ERROR", ago=timedelta(hours=2))
    store("y x 6", level="ERROR")
    store("x y 7", level="ERROR", source="a")
    assert follower.new() == ["x y 1", "x y 7"]
    assert follower.new() == []


def test_filters_that_match_little_lead_past_everything_else(
    follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "READ_AT_ONCE", 3)
    follower = follow("level=error")
    store(*map(str, range(20)))
    store("found", level="ERROR")
    store(*map(str, range(20)))
    assert follower.new(limit=1) == ["found"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("since=-1h", {"since"}),
        ("until=-1h&cursor=x", {"until", "cursor"}),
        ("after=x", {"after"}),
        ("after=", {"after"}),
        ("after=" + "x" * 9000, {"after"}),
        ("limit=0", {"limit"}),
        ("limit=2001", {"limit"}),
        ("field=level", {"field"}),
        ("query=level:nope", {"query"}),
    ],
)
def test_what_a_tail_does_not_take_is_named(client: Client, query: str, names: set[str]) -> None:
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert {error["parameter"] for error in response.json()["errors"]} == names
    assert response.headers["Cache-Control"] == "private, no-store"


def test_a_cursor_belongs_to_its_filters_and_to_nobody_who_changes_it(client: Client) -> None:
    after = client.get(f"{URL}?level=error").json()["after"]
    assert client.get(f"{URL}?level=error&limit=7&after={after}").status_code == 200
    changed = after[:-1] + ("A" if after[-1] != "A" else "B")
    for query in (f"after={after}", f"level=info&after={after}", f"level=error&after={changed}"):
        assert client.get(f"{URL}?{query}").status_code == 400


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("permissions", "method", "status"),
    [
        (None, "GET", 401),
        ((), "GET", 403),
        (("add",), "GET", 403),
        (("view",), "GET", 200),
        (("view",), "HEAD", 200),
        (("view", "add"), "POST", 405),
    ],
)
def test_following_is_reading(
    client_with: Callable[..., Client], permissions: Any, method: str, status: int, slash: str
) -> None:
    client = Client() if permissions is None else client_with(*permissions)
    response = client.generic(method, f"/system/logs/tail{slash}")
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "private, no-store"


def test_an_old_cursor_is_a_gap(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    after = client.get(URL).json()["after"]
    store("between")
    for module in ("postgresql", "sqlite"):
        monkeypatch.setattr(f"systemlog.storage.{module}.tailing.MARK_LIFETIME_S", -1)
    page = client.get(f"{URL}?after={after}").json()
    monkeypatch.undo()
    assert (page["gap"], page["items"], page["more"]) == (True, [], False)
    store("later")
    page = client.get(f"{URL}?after={page['after']}").json()
    assert (page["gap"], [item["message"] for item in page["items"]]) == (False, ["later"])


def test_a_cursor_of_another_kind_of_database_is_a_gap(client: Client) -> None:
    search = client.get(URL).json()["after"]
    from systemlog.search.parsing.cursors import fingerprint

    other = tail.encode(fingerprint([]), ["another", 1, 2, 3])
    assert search
    assert client.get(f"{URL}?after={other}").json()["gap"] is True


def test_records_of_the_journal_and_of_the_orm_are_followed(
    follow: Callable[..., Follower], journal: Callable[..., Path]
) -> None:
    folder = journal()
    follower = follow()
    record("shop", "of the journal")
    Lander(folder).land_all()
    SystemLog.objects.create(message="created")
    SystemLog.objects.bulk_create([SystemLog(message="in bulk"), SystemLog(message="in bulk")])
    store("stored")
    assert follower.new() == ["of the journal", "created", "in bulk", "in bulk", "stored"]


def test_a_repeated_record_is_followed_once(follow: Callable[..., Follower]) -> None:
    follower = follow()
    rows = [row(str(number)) for number in range(30)]
    get_storage().insert(rows[:10])
    get_storage().insert(rows)
    get_storage().insert(rows[:5])
    assert sorted(follower.new()) == sorted(each.message for each in rows)


@pytest.mark.skipif("connections['default'].vendor != 'postgresql'", reason="SQLite shows what is imported")
def test_what_is_imported_is_not_followed(follow: Callable[..., Follower], tmp_path: Path) -> None:
    follower = follow()
    file = tmp_path / "old.ndjson"
    file.write_text('{"message": "m", "timestamp": "2026-01-01T00:00:00Z"}\n' * 30)
    call_command("import_system_logs", str(file), verbosity=0)
    store("after it")
    assert follower.new() == ["after it"]
    assert SystemLog.objects.count() == 31


@pytest.mark.skipif("connections['default'].vendor != 'sqlite'", reason="PostgreSQL has no row numbers")
def test_row_numbers_that_were_given_anew_are_a_gap(follow: Callable[..., Follower]) -> None:
    store(*"abc")
    follower = follow()
    execute("UPDATE system_logs SET rowid = rowid + 100")
    assert follower.ask(follower.after)["gap"] is True
    follower = follow()
    execute("DELETE FROM system_logs WHERE rowid = (SELECT max(rowid) FROM system_logs)")
    store("d")
    assert follower.ask(follower.after)["gap"] is True


@pytest.mark.skipif("connections['default'].vendor != 'postgresql'", reason="SQLite needs no notes")
class TestNotes:
    """How PostgreSQL's notes are forgotten, and when a cursor cannot be followed by them."""

    def age(self, table: str = "system_log_landing_marker") -> None:
        execute(f"UPDATE {table} SET at = at - interval '20 minutes'")

    def count(self) -> int:
        with connections[conf().DATABASE].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM system_log_landing")
            return int(cursor.fetchone()[0])

    def test_notes_are_forgotten_when_no_cursor_needs_them(self) -> None:
        forget()
        self.age()
        execute("DELETE FROM system_log_landing")
        store("after the marker")
        forget()
        assert self.count() == 1
        self.age()
        forget()
        assert self.count() == 0

    @pytest.mark.skipif(on_citus(), reason=NO_TRIGGER)
    def test_a_note_whose_transaction_ends_late_is_kept(self, follow: Callable[..., Follower]) -> None:
        execute("DELETE FROM system_log_landing")
        other = connections[conf().DATABASE].copy()
        try:
            with other.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO system_logs (message) VALUES ('late')")
                forget()
                self.age()
                follower = follow()
                cursor.execute("COMMIT")
        finally:
            other.close()
        forget()
        assert self.count() == 1
        assert follower.new() == ["late"]

    def test_a_database_of_an_earlier_time_is_a_gap(self, follow: Callable[..., Follower]) -> None:
        follower = follow()
        execute("DELETE FROM system_log_landing_marker")
        execute("INSERT INTO system_log_landing_marker DEFAULT VALUES")
        assert follower.ask(follower.after)["gap"] is True

    def test_times_that_python_has_not_are_left_out(self, follow: Callable[..., Follower]) -> None:
        follower = follow()
        get_storage().ensure_partitions([datetime.max.replace(tzinfo=UTC)])
        execute("INSERT INTO system_logs (timestamp, message) VALUES ('infinity', 'no date of Python')")
        store("a")
        assert follower.new() == ["a"]

    @pytest.mark.skipif(on_citus(), reason=NO_TRIGGER)
    def test_a_statement_of_many_records_writes_several_notes(self, follow: Callable[..., Follower]) -> None:
        follower = follow()
        execute("DELETE FROM system_log_landing")
        execute("INSERT INTO system_logs (message) SELECT n::text FROM generate_series(1, 12000) n")
        assert self.count() == 3
        assert sorted(map(int, follower.new(limit=2000))) == list(range(1, 12001))
