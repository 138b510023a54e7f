"""Groups count their records exactly, however the records come and go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.test import Client

from systemlog.conf import conf
from systemlog.groups import folding
from systemlog.groups.folding import fold_all
from systemlog.landing import Lander
from systemlog.models import Group, SystemLog
from systemlog.records.row import Row
from systemlog.retention.prune import prune
from systemlog.storage import get_storage
from systemlog.storage.expiry import Policy
from systemlog.storage.group_counts import identity_of_row
from tests.fingerprints.samples import CHANGES, PYTHON
from tests.groups.conftest import error
from tests.support.landing import execute, write

pytestmark = pytest.mark.django_db

Groups = Callable[..., list[dict[str, Any]]]
Land = Callable[..., None]


def counts() -> dict[str, int]:
    """The groups in the database by their titles."""
    fold_all()
    return dict(Group.objects.values_list("title", "count"))


def true_counts() -> dict[str, int]:
    """The same, counted in the log."""
    found: dict[str, int] = {}
    titles = dict(Group.objects.values_list("id", "title"))
    for group in SystemLog.objects.filter(group__isnull=False).values_list("group", flat=True):
        found[titles[group]] = found.get(titles[group], 0) + 1
    return found


def test_errors_of_one_kind_are_one_group(land: Land, groups: Groups) -> None:
    first = error("order 7 failed", user_id="u1", context={"release": "1.0"})
    land(first, error("order 8 failed", user_id="u2"), error("order 9 failed", user_id="u1", level="CRITICAL"))
    (group,) = groups()
    assert group["title"] == "order * failed"
    assert (group["count"], group["users"], group["releases"]) == (3, 2, ["1.0"])
    assert (group["state"], group["level"], group["category"], group["source"]) == ("open", "CRITICAL", "shop", "here")
    assert group["first_seen"] == first.timestamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert 8 <= len(group["id"]) <= 32
    assert group["id"].isalnum()


def test_a_traceback_has_its_exception_as_title(land: Land, groups: Groups) -> None:
    land(*(error("failed", context={"exception": PYTHON.format(**change)}) for change in CHANGES))
    (group,) = groups()
    assert group["title"] == "shop.billing.gateway.PaymentRefused: order 1001 was refused"
    assert (group["kind"], group["count"]) == ("exception", 2)


def test_records_below_error_have_no_group(land: Land, groups: Groups) -> None:
    land(error(level="WARNING"), error(level="INFO"))
    assert groups() == []
    assert not SystemLog.objects.filter(group__isnull=False).exists()


def test_a_record_that_is_stored_in_the_request_has_its_group_at_once(client_with: Callable[..., Client]) -> None:
    client = client_with("view_systemlog", "add_systemlog")
    answer = client.post("/system/logs/", {"message": "order 7 failed", "level": "ERROR"}, "application/json").json()
    (group,) = client.get("/system/groups/").json()["items"]
    assert group["id"] == answer["group"]
    assert client.get(f"/system/logs/{answer['id']}/").json()["group"] == group["id"]


def test_repetition_counts_once(folder: Path, land: Land) -> None:
    row = error()
    land(row, error(), error(message="other"))
    land(row)
    land(row, error(), row)
    get_storage().insert([row])
    get_storage().insert([row, error()])
    assert counts() == {"order * failed": 4, "other": 1} == true_counts()


def test_many_rows_of_which_some_are_stored_already(land: Land) -> None:
    rows = [error(f"kind {'x' * (n % 7)} failed") for n in range(60)]
    land(*rows[:13])
    get_storage().insert(rows)
    assert counts() == true_counts()
    assert sum(counts().values()) == 60


def test_late_records_count(land: Land, groups: Groups) -> None:
    old = error(ago=timedelta(days=30))
    land(error())
    last = groups()[0]["last_seen"]
    land(old)
    (group,) = groups()
    assert (group["count"], group["last_seen"]) == (2, last)
    assert group["first_seen"] < group["last_seen"]


def test_the_model_counts(db: None) -> None:
    SystemLog.objects.create(message="order 1 failed", level="ERROR")
    SystemLog.objects.bulk_create([SystemLog(message=f"order {n} failed", level="ERROR") for n in range(3)])
    again = list(SystemLog.objects.all())[:2]
    for record in again:
        record._state.adding = True
    SystemLog.objects.bulk_create([*again, SystemLog(message="order 9 failed", level="ERROR")], ignore_conflicts=True)
    assert counts() == {"order * failed": 5} == true_counts()


def test_a_transaction_that_is_rolled_back_counts_nothing(db: None) -> None:
    with transaction.atomic(using=conf().DATABASE):
        get_storage().insert([error()])
        transaction.set_rollback(True, using=conf().DATABASE)
    assert counts() == {}


def test_deleted_records_that_were_never_counted_count_nothing(land: Land) -> None:
    execute("INSERT INTO system_log_group_delta (group_id, source, level, count) SELECT 'x', 'here', 'ERROR', -3")
    row = error()
    group = identity_of_row(row)
    assert group is not None
    execute(f"UPDATE system_log_group_delta SET group_id = '{group.id}'")
    land(row, error())
    assert counts() == {"order * failed": 2}


def test_a_crash_before_the_commit_counts_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, [error() for _ in range(5)])
    storage = get_storage()

    def crash(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("systemlog.storage.checkpoints.Checkpoints.move", crash)
        with pytest.raises(KeyboardInterrupt), transaction.atomic(using=storage.connection.alias):
            Lander(folder).land_once()
    Lander(folder).land_all()
    assert counts() == {"order * failed": 5} == true_counts()


def test_a_crash_of_a_fold_changes_nothing(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    get_storage().insert([error(), error(), error("other")])

    def crash(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("systemlog.groups.folding.Group.objects.bulk_update", crash)
        patch.setattr(folding.GroupEvent.objects, "using", crash)
        with pytest.raises(KeyboardInterrupt):
            fold_all()
    assert counts() == {"order * failed": 2, "other": 1}


@pytest.mark.django_db(transaction=True)
def test_plain_sql_has_no_group_until_all_are_grouped(db: None) -> None:
    with connections[conf().DATABASE].cursor() as cursor:
        cursor.execute("INSERT INTO system_logs (message, level) VALUES ('order 7 failed', 'ERROR')")
    assert counts() == {}
    call_command("regroup_system_logs", verbosity=0, stdout=StringIO())
    assert counts() == {"order * failed": 1} == true_counts()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("days", [3, 400])
def test_pruned_records_are_subtracted_and_their_group_stays(land: Land, groups: Groups, days: int) -> None:
    old = [error(f"order {n} failed", ago=timedelta(days=days)) for n in range(4)]
    land(*old, error("order 5 failed"), error("once", ago=timedelta(days=days)))
    prune([Policy(keep=timedelta(days=1))], trust_clock=True)
    found = {group["title"]: (group["count"], group["pruned"]) for group in groups()}
    assert found == {"order * failed": (1, 4), "once": (0, 1)}
    get_storage().insert(old)  # as an archive that is imported
    assert counts() == {"order * failed": 5, "once": 0}


@pytest.mark.django_db(transaction=True)
def test_records_that_stay_in_a_partition_that_is_rewritten_stay_counted(land: Land) -> None:
    ago = timedelta(days=3)
    gone = [error(f"order {n} failed", ago=ago, category="a") for n in range(9)]
    land(*gone, *(error(f"order {n} failed", ago=ago, category="b") for n in range(3)))
    prune([Policy(keep=timedelta(days=1), categories=("a",))], trust_clock=True)
    fold_all()
    assert sorted(Group.objects.values_list("count", "pruned")) == [(0, 9), (3, 0)]
    assert sum(true_counts().values()) == 3


def test_users_are_counted_up_to_a_limit(land: Land, groups: Groups) -> None:
    land(*(error(user_id=f"u{n}") for n in range(1100)))
    (group,) = groups()
    assert (group["users"], group["users_relation"]) == (1000, "gte")


def test_many_new_errors_of_a_source_are_counted_together(
    land: Land, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "MAX_NEW", 5)
    rows: list[Row] = [error(f"kind {'x' * n} failed") for n in range(9)]
    land(*rows)
    land(*(error(f"kind {'x' * n} failed") for n in range(9)), error("of another", source="there"))
    found = groups(limit=100)
    assert len(found) == 7
    (other,) = (group for group in found if group["kind"] == "other")
    assert other["id"].startswith("other")
    assert other["count"] == 8
    assert sum(group["count"] for group in found) == 19


def test_a_record_of_others_keeps_its_fingerprint_and_gets_its_group_later(
    land: Land, groups: Groups, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "MAX_NEW", 1)
    land(error("a", user_id="u1"), error("b", user_id="u2"), error("c"))
    other = next(group for group in groups() if group["kind"] == "other")
    found = client.get("/system/logs/", {"group": other["id"]}).json()
    assert {item["message"] for item in found["items"]} == {"b", "c"}
    assert len({item["group"] for item in found["items"]}) == 2
    Group.objects.update(created_at=Group.objects.first().created_at - timedelta(hours=2))  # type: ignore[union-attr]
    land(error("b"))
    assert {group["title"]: group["count"] for group in groups()} == {"a": 1, "b": 2, "other errors of here": 1}
    assert next(group for group in groups() if group["title"] == "b")["users"] == 1
