"""Every committed change of an audited model is one record, however it was made."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from systemlog.redaction import REDACTED

Told = Callable[..., list[tuple[str, str, Any]]]


def test_a_new_object_is_told_with_every_field_that_is_not_null(shop: Any, told: Told) -> None:
    place = shop.Place.objects.create(name="Kiel")
    number = uuid.uuid4()
    order = shop.Order.objects.create(
        total=Decimal("12.5"), weight=0.1, number=number, day=datetime.date(2026, 1, 2), at=datetime.time(3, 4),
        placed=datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC), lasts=datetime.timedelta(hours=1),
        data={"a": [1, 1.5, None]}, blob=b"\x00\xff", scan="scans/a.pdf", place=place, password="hush", note="psst",
    )  # fmt: skip
    category, subject, changes = told()[-1]
    assert (category, subject) == ("create", f"shop.order:{order.pk}")
    assert changes.pop("blob")[1] is not None
    assert changes == {
        "id": [None, order.pk],
        "status": [None, "new"],
        "total": [None, "12.50"],
        "paid": [None, False],
        "weight": [None, 0.1],
        "number": [None, str(number)],
        "day": [None, "2026-01-02"],
        "placed": [None, "2026-01-02T03:04:05.000006Z"],
        "at": [None, "03:04:00"],
        "lasts": [None, "P0DT01H00M00S"],
        "data": [None, {"a": [1, 1.5, None]}],
        "scan": [None, "scans/a.pdf"],
        "place": [None, place.pk],
        "password": [None, REDACTED],
        "note": [None, REDACTED],
    }


def test_a_change_is_told_field_by_field_and_none_is_no_record(shop: Any, told: Told) -> None:
    order = shop.Order.objects.create(total=1)
    told()
    order.save()
    order.status, order.total, order.data["a"] = "paid", Decimal("2.00"), 1
    order.save()
    order.save(update_fields=["status"])
    subject = f"shop.order:{order.pk}"
    assert told() == [
        ("update", subject, {"status": ["new", "paid"], "total": ["1.00", "2.00"], "data": [{}, {"a": 1}]})
    ]
    order.delete()
    (category, subject, changes) = told()[-1]
    assert category == "delete"
    assert changes["total"] == ["2.00", None]
    assert "weight" not in changes


def test_bulk_statements_are_told_row_by_row(shop: Any, told: Told) -> None:
    shop.Tag.objects.bulk_create([shop.Tag(name=f"tag {number}") for number in range(450)])
    created = told()
    assert [changes["name"][1] for _, _, changes in created] == [f"tag {number}" for number in range(450)]
    shop.Tag.objects.update(name=F("name"))
    assert told() == []
    first, second = shop.Tag.objects.order_by("pk")[:2]
    shop.Tag.objects.exclude(pk=first.pk).update(name="same")
    changed = told()
    assert len(changed) == 449
    assert changed[0] == ("update", f"shop.tag:{second.pk}", {"name": ["tag 1", "same"]})
    first.name, second.name = "one", "two"
    shop.Tag.objects.bulk_update([first, second], ["name"])
    assert [changes["name"] for _, _, changes in told()] == [["tag 0", "one"], ["same", "two"]]
    shop.Tag.objects.all().delete()
    assert [category for category, _, _ in told()] == ["delete"] * 450


def test_an_upsert_and_what_was_ignored_are_told_apart(shop: Any, told: Told) -> None:
    order = shop.Order.objects.create()
    shop.Line.objects.create(key="a", order=order)
    told()
    lines = [shop.Line(key="a", order=order, count=2), shop.Line(key="b", order=order, count=3)]
    shop.Line.objects.bulk_create(lines, ignore_conflicts=True)
    assert [(category, subject) for category, subject, _ in told()] == [("create", "shop.line:b")]
    shop.Line.objects.bulk_create(lines, update_conflicts=True, update_fields=["count"], unique_fields=["key"])
    assert told() == [("update", "shop.line:a", {"count": [1, 2]})]


def test_what_goes_or_changes_with_another_is_told(shop: Any, told: Told) -> None:
    place = shop.Place.objects.create(name="Kiel")
    order = shop.Order.objects.create(place=place)
    order.tags.add(tag := shop.Tag.objects.create(name="a"))
    shop.Line.objects.create(key="a", order=order)
    told()
    subject, key = f"shop.order:{order.pk}", place.pk
    place.delete()
    assert ("update", subject, {"place": [key, None]}) in told()
    order.delete()
    gone = told()
    assert ("update", subject, {"tags": {"added": [], "removed": [tag.pk]}}) in gone
    assert [each[:2] for each in gone if each[0] == "delete"] == [("delete", "shop.line:a"), ("delete", subject)]


def test_many_to_many_changes_are_told_of_the_model_that_declares_them(shop: Any, told: Told) -> None:
    order = shop.Order.objects.create()
    one, two, three = (shop.Tag.objects.create(name=name) for name in "abc")
    told()
    subject = f"shop.order:{order.pk}"
    order.tags.add(one, two)
    assert told() == [("update", subject, {"tags": {"added": [one.pk, two.pk], "removed": []}})]
    order.tags.set([two, three])
    assert told() == [
        ("update", subject, {"tags": {"added": [], "removed": [one.pk]}}),
        ("update", subject, {"tags": {"added": [three.pk], "removed": []}}),
    ]
    order.tags.clear()
    assert told() == [("update", subject, {"tags": {"added": [], "removed": [two.pk, three.pk]}})]
    one.order_set.add(order)
    assert told() == [("update", subject, {"tags": {"added": [one.pk], "removed": []}})]


def test_plain_sql_is_told_and_nobody_is_known_for_it(shop: Any, told: Told) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO shop_tag (name) VALUES (%s)", [["a"], ["b"]])
        cursor.execute("UPDATE shop_tag SET name = 'c' WHERE name = 'a'")
    assert [changes["name"] for _, _, changes in told()] == [[None, "a"], [None, "b"], ["a", "c"]]


def test_what_was_rolled_back_is_not_told(shop: Any, told: Told) -> None:
    with transaction.atomic():
        shop.Tag.objects.create(name="stays")
        savepoint = transaction.savepoint()
        shop.Tag.objects.create(name="goes")
        transaction.savepoint_rollback(savepoint)
    assert [changes["name"][1] for _, _, changes in told()] == ["stays"]


def test_keys_of_other_shapes_name_their_subjects(shop: Any, told: Told) -> None:
    stock = shop.Stock.objects.create(depot=1, item="x")
    shop.Stock.objects.filter(pk=stock.pk).update(count=5)
    assert [(category, subject) for category, subject, _ in told()] == [
        ("create", "shop.stock:1,x"),
        ("update", "shop.stock:1,x"),
    ]


def test_columns_may_have_any_name_and_keys_may_change(shop: Any, told: Told) -> None:
    shop.Odd.objects.bulk_create([shop.Odd(code=code) for code in "ab"])
    shop.Odd.objects.filter(code="a").update(o=2, who=3, new=4)
    shop.Odd.objects.update(n=5, place=6)
    assert [changes for category, _, changes in told() if category == "update"] == [
        {"o": [1, 2], "who": [1, 3], "new": [1, 4]},
        *[{"n": [1, 5], "place": [1, 6]}] * 2,
    ]
    shop.Odd.objects.filter(code="a").update(code="c")
    assert told() == [("update", "shop.odd:c", {"code": ["a", "c"]})]
    shop.Odd.objects.update(code=Concat("code", Value("!")))
    assert sorted(told()) == [
        ("update", "shop.odd:b!", {"code": ["b", "b!"]}),
        ("update", "shop.odd:c!", {"code": ["c", "c!"]}),
    ]
    shop.Odd.objects.all().delete()
    assert len(told()) == 2


def test_inheritance_is_told_by_table(shop: Any, told: Told) -> None:
    depot = shop.Depot.objects.create(name="Kiel", size=2)
    told()
    depot.name, depot.size = "Bremen", 3
    depot.save()
    assert told() == [
        ("update", f"shop.place:{depot.pk}", {"name": ["Kiel", "Bremen"]}),
        ("update", f"shop.depot:{depot.pk}", {"size": [2, 3]}),
    ]


def test_a_proxy_is_told_as_its_model(shop: Any, told: Told) -> None:
    order = shop.Hurried.objects.create()
    assert told()[0][:2] == ("create", f"shop.order:{order.pk}")


def test_a_table_of_130_columns_is_told_whole(shop: Any, told: Told) -> None:
    wide = shop.Wide.objects.create()
    assert len(told()[0][2]) == 131
    wide.field129 = -1
    wide.save()
    assert told() == [("update", f"shop.wide:{wide.pk}", {"field129": [129, -1]})]


def test_what_is_excluded_or_masked_never_stands_in_the_outbox(shop: Any, told: Told) -> None:
    order = shop.Order.objects.create(note="psst", password="hush", secret_code="mum")
    shop.Order.objects.filter(pk=order.pk).update(
        note="hsst", updated=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT old, new FROM system_audit_outbox")
        waiting = repr(cursor.fetchall())
    for hidden in ("psst", "hush", "hsst", "mum", "updated"):
        assert hidden not in waiting
    assert told()[-1][2] == {"note": [REDACTED, REDACTED]}
    shop.Order.objects.filter(pk=order.pk).update(updated=datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC))
    shop.Order.objects.filter(pk=order.pk).update(note="hsst", paid=True, secret_code=None)
    assert told() == [("update", f"shop.order:{order.pk}", {"paid": [False, True], "secret_code": [REDACTED, None]})]


def test_a_generated_column_hides_what_it_is_computed_from(shop: Any, told: Told) -> None:
    safe = shop.Safe.objects.create(code="psst", hint="mum")
    shop.Safe.objects.update(hint="dad")
    shop.Safe.objects.update(code="hush", size=3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT old, new FROM system_audit_outbox")
        waiting = repr(cursor.fetchall()).lower()
    for hidden in ("psst", "hush", "mum", "dad"):
        assert hidden not in waiting
    hidden = {"code": [REDACTED, REDACTED], "loud_code": [REDACTED, REDACTED]}
    assert told()[1:] == [("update", f"shop.safe:{safe.pk}", {**hidden, "size": [1, 3], "area": [1, 9]})]


@pytest.mark.skipif("config.getoption('db') != 'postgresql'", reason="SQLite has no TRUNCATE")
def test_a_truncated_table_is_one_record(shop: Any, told: Told) -> None:
    shop.Wide.objects.create()
    told()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE shop_wide")
        cursor.execute("TRUNCATE shop_order_tags")
    records = told.records()  # type: ignore[attr-defined]
    assert [(record.category, record.subject, record.context) for record in records] == [
        ("audit.truncate", "shop.wide", {"table": "shop_wide"}),
        ("audit.truncate", "shop.order", {"table": "shop_order_tags"}),
    ]


def test_values_that_json_does_not_have_are_told_and_fail_no_write(shop: Any, told: Told) -> None:
    shop.Order.objects.create(weight=float("inf"), note="", status="a\tb", data={"big": 2**70, "deep": [[[1]]]})
    changes = told()[-1][2]
    assert changes["weight"] == [None, "Infinity"]
    assert changes["data"][1]["big"] == 2**70


def test_a_large_value_is_told_by_its_length_and_hash(shop: Any, told: Told) -> None:
    shop.Tag.objects.create(name="a")
    shop.Order.objects.create(status="s", data={"text": "x" * 5000}, scan="f" * 90)
    changes = told()[-1][2]
    assert changes["data"][1].keys() == {"length", "sha256"}
    assert changes["scan"] == [None, "f" * 90]


def test_fixtures_are_told_as_they_are_loaded(shop: Any, told: Told, tmp_path: Path) -> None:
    order = shop.Order.objects.create(total=Decimal("1.50"))
    order.tags.add(shop.Tag.objects.create(name="a"))
    file = tmp_path / "shop.json"
    call_command("dumpdata", "shop.Order", "shop.Tag", output=file, verbosity=0)
    shop.Order.objects.all().delete()
    shop.Tag.objects.all().delete()
    told()
    call_command("loaddata", file, verbosity=0)
    found = told()
    assert {(category, subject.partition(":")[0]) for category, subject, _ in found} == {
        ("create", "shop.order"), ("create", "shop.tag"), ("update", "shop.order"),
    }  # fmt: skip
    assert next(changes for category, subject, changes in found if "order" in subject)["total"] == [None, "1.50"]
