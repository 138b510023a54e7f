"""Records of bulks whose key is stored already: repetitions are skipped, other records go to quarantine."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

from systemlog.conf import conf
from systemlog.landing import Lander
from systemlog.landing.quarantine import Quarantine
from systemlog.landing.stats import read_ledger
from systemlog.models import Checkpoint, SystemLog
from systemlog.storage import Row, get_storage
from tests.support.landing import execute, row, stored, write

pytestmark = pytest.mark.django_db

OTHERS: dict[str, dict[str, Any]] = {
    "level": {"level": "ERROR"},
    "category": {"category": "d"},
    "source": {"source": "there"},
    "message": {"message": "another"},
    "correlation id": {"correlation_id": "s"},
    "user": {"user_id": "1"},
    "context": {"context": {"n": 2}},
    "type in the context": {"context": {"n": "1"}},
    "trace": {"trace_id": "t"},
    "subject": {"subject": "s"},
    "writer": {"recorded_by": "mallory"},
    "context with escapes": {"context": {"n": "\\\t\n"}},
}
SAME: dict[str, dict[str, Any]] = {
    "all": {},
    "no correlation id": {"correlation_id": None},
    "another spelling of a number": {"context": {"n": 1.0}},
}


def quarantined(folder: Path) -> list[bytes]:
    return [line.data for line in Quarantine(folder).lines()]


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
def test_a_record_that_differs_from_the_stored_one_goes_to_quarantine_with_a_warning(
    folder: Path, lander: Lander, caplog: pytest.LogCaptureFixture, changed: dict[str, Any]
) -> None:
    first = row("first")
    get_storage().insert([first])
    write(folder, [row("before"), first._replace(**changed), row("after")])
    with caplog.at_level(logging.WARNING, "systemlog.landing"):
        lander.land_once()

    assert len(quarantined(folder)) == 1
    assert SystemLog.objects.get(id=first.id).message == "first"
    assert sorted(stored()) == ["after", "before", "first"]
    (warning,) = caplog.records
    assert (warning.levelname, warning.__dict__["action"], warning.__dict__["records"]) == (
        "WARNING",
        "landing.conflict",
        1,
    )
    ledger = read_ledger(folder)
    assert (sum(ledger.landed), sum(ledger.quarantined)) == (2, 1)


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_a_repetition_is_skipped(
    folder: Path, lander: Lander, caplog: pytest.LogCaptureFixture, changed: dict[str, Any]
) -> None:
    first = row("first")
    get_storage().insert([first])
    write(folder, [first._replace(**changed), row("after")])
    lander.land_all()
    assert (stored(), quarantined(folder), caplog.records) == (["first", "after"], [], [])


def test_the_first_of_two_records_of_one_batch_is_stored(folder: Path, lander: Lander) -> None:
    first = row("first")
    write(folder, [first, first._replace(message="second"), first])
    lander.land_all()
    assert stored() == ["first"]
    assert [b"second" in line for line in quarantined(folder)] == [True]


def test_what_is_landed_again_is_no_conflict(folder: Path, lander: Lander) -> None:
    first = row("first")
    write(folder, [first, first._replace(message="second"), row("third")])
    lander.land_all()
    Checkpoint.objects.all().delete()
    Lander(folder).land_all()
    assert (stored(), len(quarantined(folder))) == (["first", "third"], 1)


def test_conflicts_for_which_quarantine_has_no_room_hold_up_their_own_segment_alone(
    folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = row("first")
    get_storage().insert([first])
    write(folder, [row("held up"), first._replace(message="second")])
    write(folder, [row("free")])
    quarantine = folder / "quarantine"
    quarantine.write_text("no folder")
    lander.land_all()
    assert stored() == ["first", "free"]
    quarantine.unlink()
    Lander(folder).land_all()
    assert (sorted(stored()), len(quarantined(folder))) == (["first", "free", "held up"], 1)


def test_a_conflict_stays_in_quarantine_until_the_stored_record_is_gone(folder: Path, lander: Lander) -> None:
    first = row("first")
    get_storage().insert([first])
    write(folder, [first._replace(message="second")])
    lander.land_all()

    call_command("system_log_quarantine", "--replay", stdout=(out := io.StringIO()))
    assert "0 stored, 1 in quarantine." in out.getvalue()
    execute("DELETE FROM system_logs")
    call_command("system_log_quarantine", "--replay", stdout=io.StringIO())
    assert (stored(), quarantined(folder)) == (["second"], [])


def test_a_batch_of_new_keys_asks_the_database_nothing_more(folder: Path, lander: Lander) -> None:
    write(folder, [row("1")])
    lander.land_all()
    write(folder, [row(str(number)) for number in range(2, 30)])
    with CaptureQueriesContext(connections[conf().DATABASE]) as queries:
        lander.land_once()
    assert not [query for query in queries if "SELECT" in query["sql"] and "FROM system_logs " in query["sql"]]


def test_thousands_of_conflicts_go_to_quarantine_with_one_write(
    folder: Path, lander: Lander, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row("first") for _ in range(2000)]
    get_storage().insert(rows)
    writes: list[int] = []
    add_many: Callable[..., list[int]] = Quarantine.add_many

    def counted(self: Quarantine, *arguments: Any) -> list[int]:
        new = add_many(self, *arguments)
        writes.append(len(new))
        return new

    monkeypatch.setattr(Quarantine, "add_many", counted)
    write(folder, [_by_another(each) for each in rows])
    lander.land_all()
    assert writes == [2000]


def _by_another(one: Row) -> Row:
    return one._replace(recorded_by="mallory")
