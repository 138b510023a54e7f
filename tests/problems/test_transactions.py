"""An error rolls back the transaction of its request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from systemlog.problems.testing import assert_problem
from tests.problems.views import Open


class Writes(Open):
    def get(self, request: Request) -> Response:
        Group.objects.create(name="half done")
        raise NotFound


def writes(request: HttpRequest) -> HttpResponse:
    Group.objects.create(name="half done")
    raise ValueError


def doubles(request: HttpRequest) -> HttpResponse:
    for _ in range(2):
        Group.objects.create(name="twice")
    return HttpResponse()


urlpatterns = [path("drf/", Writes.as_view()), path("plain/", writes), path("doubles/", doubles)]


@pytest.fixture
def atomic(settings: object) -> Iterator[None]:
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    settings.ROOT_URLCONF = __name__
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("where", "status"), [("/drf/", 404), ("/plain/", 500)])
def test_what_was_written_before_the_error_is_rolled_back(
    client: Client, atomic: None, where: str, status: int
) -> None:
    assert_problem(client.get(where), status=status)
    assert not Group.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_taken_value_is_a_conflict_without_sql(client: Client, atomic: None) -> None:
    response = client.get("/doubles/")
    assert_problem(response, type="conflict", status=409)
    assert b"auth_group" not in response.content
    assert not Group.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["/missing/", "/plain/", "/drf/"])
def test_the_transaction_around_a_test_survives_the_error(client: Client, atomic: None, where: str) -> None:
    # An error outside the request's transaction must not roll back the transaction of the test.
    client.get(where)
    assert Group.objects.count() == 0
