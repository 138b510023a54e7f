"""Keys of every kind name the subjects of records, and a key that is a secret stays one."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from systemlog.audit import history
from systemlog.redaction import REDACTED

Told = Callable[..., list[tuple[str, str, Any]]]

NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)
ELSEWHERE = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("model", "key", "subject"),
    [
        ("Tariff", {"price": Decimal("1.5")}, "shop.tariff:1.50"),
        ("Tariff", {"price": 2}, "shop.tariff:2.00"),
        (
            "Visit",
            {"at": NOON.astimezone(ELSEWHERE), "card": b"\x01\xff", "door": "x" * 300},
            "shop.visit:2026-01-02T12:00:00.000000Z,\\x01ff," + "x" * 300,
        ),
        ("Line", {"key": "a\n b"}, "shop.line:a\n b"),
    ],
    ids=["decimal", "number", "several", "text"],
)
def test_the_history_of_an_object_is_found_whatever_its_key(
    shop: Any, told: Told, model: str, key: dict[str, Any], subject: str
) -> None:
    more = {"order": shop.Order.objects.create()} if model == "Line" else {}
    obj = getattr(shop, model).objects.create(**key, **more)
    assert told()[-1][:2] == ("create", subject[:200])
    assert [record.category for record in history(obj)] == ["audit.create"]


def test_an_excluded_key_names_the_subject_and_is_in_no_record(shop: Any, told: Told) -> None:
    shop.Tariff.objects.create(price=Decimal("1.5"))
    shop.Tariff.objects.update(count=2)
    shop.Tariff.objects.update(price=3)
    assert told() == [
        ("create", "shop.tariff:1.50", {"count": [None, 0]}),
        ("update", "shop.tariff:1.50", {"count": [0, 2]}),
    ]


def test_a_key_that_is_a_secret_is_stored_nowhere(shop: Any, told: Told) -> None:
    one, two, three = (shop.Pass.objects.create(token=f"hush-{number}") for number in range(3))
    gate = shop.Gate.objects.create(owner=one)
    gate.guests.add(two)
    shop.Pass.objects.filter(pk=one.pk).update(count=1)
    shop.Pass.objects.filter(pk=three.pk).update(token="hush-4")
    shop.Gate.objects.update(owner=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT old, new FROM system_audit_outbox")
        assert "hush" not in repr(cursor.fetchall())
    found = told()
    assert "hush" not in repr(found)
    assert (f"shop.gate:{gate.pk}", {"guests": {"added": [REDACTED], "removed": []}}) in [each[1:] for each in found]
    assert ("update", f"shop.gate:{gate.pk}", {"owner": [REDACTED, None]}) in found
    assert [each for each in found if each[:2] == ("update", f"shop.pass:{REDACTED}")] == [
        ("update", f"shop.pass:{REDACTED}", {"count": [0, 1]}),
        ("update", f"shop.pass:{REDACTED}", {"token": [REDACTED, REDACTED]}),
    ]


def test_a_row_of_a_many_to_many_table_that_changes_its_owner_is_told_of_both(shop: Any, told: Told) -> None:
    tag = shop.Tag.objects.create(name="a")
    orders = [shop.Order.objects.create() for _ in range(150)]
    others = [shop.Order.objects.create() for _ in range(150)]
    through = shop.Order.tags.through
    through.objects.bulk_create([through(order=order, tag=tag) for order in orders])
    told()
    difference = others[0].pk - orders[0].pk
    with connection.cursor() as cursor:
        cursor.execute("UPDATE shop_order_tags SET order_id = order_id + %s", [difference])
    assert sorted(told(), key=str) == sorted(
        [
            *[("update", f"shop.order:{each.pk}", {"tags": {"added": [], "removed": [tag.pk]}}) for each in orders],
            *[("update", f"shop.order:{each.pk}", {"tags": {"added": [tag.pk], "removed": []}}) for each in others],
        ],
        key=str,
    )
