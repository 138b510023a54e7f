"""The audit trail is read with what still waits: by search, as a queryset, in the admin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings
from django.urls import include, path

from systemlog.admin import AuditedAdmin
from systemlog.audit import acting_as, history
from systemlog.correlation import correlated
from systemlog.models import SystemLog

Told = Callable[..., Any]
urlpatterns: list[Any] = []


@pytest.fixture
def client(shop: Any) -> Iterator[Client]:
    """An administrator's, on a site that shows orders."""
    site = admin.AdminSite(name="shop")
    site.register(shop.Order, type("OrderAdmin", (AuditedAdmin, admin.ModelAdmin), {}))
    site.register(SystemLog)
    urlpatterns[:] = [path("desk/", site.urls), path("", include("ops_platform.urls"))]
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    with override_settings(ROOT_URLCONF=__name__):
        yield client


def test_a_search_by_subject_has_what_waits(shop: Any, client: Client) -> None:
    order = shop.Order.objects.create()
    shop.Order.objects.update(status="paid")
    query = {"subject": f"shop.order:{order.pk}", "category": "audit.*"}
    items = client.get("/system/logs/", query).json()["items"]
    assert [item["category"] for item in items] == ["audit.update", "audit.create"]
    assert items[0]["context"]["changes"] == {"status": ["new", "paid"]}
    shop.Order.objects.update(status="sent")
    assert len(client.get("/system/logs/", {"category": "audit.update"}).json()["items"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"query": "category:audit.create"},
        {"query": "category:audit.create", "category": "audit.create"},
        {"query": "subject:shop.order:1 subject:shop.order:{pk}"},
        {"query": "subject:shop.order:{pk}", "subject": "shop.order:{pk}"},
        {"category": "audit*"},
        {"category": "aud*"},
    ],
    ids=str,
)
def test_a_search_has_what_waits_however_it_asks_for_it(shop: Any, client: Client, query: dict[str, str]) -> None:
    order = shop.Order.objects.create()
    asked = {name: text.format(pk=order.pk) for name, text in query.items()}
    items = client.get("/system/logs/", asked).json()["items"]
    assert [item["subject"] for item in items if item["category"] == "audit.create"] == [f"shop.order:{order.pk}"]


def test_the_history_of_an_object_is_a_queryset(shop: Any, told: Told) -> None:
    depot = shop.Depot.objects.create(name="Kiel", size=2)
    shop.Place.objects.create(name="elsewhere")
    depot.size = 3
    with acting_as("ann"):
        depot.save()
    told()
    assert [record.category for record in history(depot)] == ["audit.update", "audit.create", "audit.create"]
    assert history(depot).filter(user_id="ann").get().context["changes"] == {"size": [2, 3]}


def test_a_record_that_was_sent_is_no_history(shop: Any, client: Client) -> None:
    order = shop.Order.objects.create()
    forged = {"message": "Changed", "category": "audit.update", "subject": f"shop.order:{order.pk}", "user_id": "7"}
    forged["context"] = {"changes": {"status": ["new", "forged"]}}
    assert client.post("/system/logs/", forged, "application/json").status_code == 201
    page = client.get(f"/desk/shop/order/{order.pk}/history/").content.decode()
    assert "create" in page
    assert "forged" not in page


def test_the_admin_shows_who_changed_what(shop: Any, client: Client) -> None:
    place = shop.Place.objects.create(name="Kiel")
    order = shop.Order.objects.create(place=place, password="hush")
    with acting_as(User.objects.get(username="root")), correlated("the-request"):
        order.tags.add(shop.Tag.objects.create(name="a"))
        shop.Order.objects.update(status="paid", place=None)
    page = client.get(f"/desk/shop/order/{order.pk}/history/").content.decode()
    for text in ("root", "paid", "Status", f"Place object ({place.pk})", "correlation_id=the-request", "Tag object"):
        assert text in page
    assert "hush" not in page


def test_the_admin_shows_no_history_to_those_who_may_not_view_the_object(shop: Any, client: Client) -> None:
    place = shop.Place.objects.create(name="Kiel")
    order = shop.Order.objects.create(place=place)
    user = User.objects.create_user("ann", is_staff=True)
    client.force_login(user)
    assert client.get(f"/desk/shop/order/{order.pk}/history/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_order"))
    with correlated("the-request"):
        shop.Order.objects.update(status="paid")
    page = client.get(f"/desk/shop/order/{order.pk}/history/").content.decode()
    assert "paid" in page
    assert "Place object" not in page, "the user may not view places"
    assert "the-request" not in page, "nor read the log"


def test_old_changes_are_a_page_away(shop: Any, client: Client) -> None:
    order = shop.Order.objects.create()
    for number in range(60):
        shop.Order.objects.update(status=f"s{number}")
    page = client.get(f"/desk/shop/order/{order.pk}/history/").content.decode()
    assert "s59" in page
    link = page.split('href="?before=')[1].split('"')[0]
    assert "<td>s0</td>" not in page
    assert "<td>s0</td>" in client.get(f"/desk/shop/order/{order.pk}/history/", {"before": link}).content.decode()
