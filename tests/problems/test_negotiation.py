"""The Accept header never turns one response into another."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import re_path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from systemlog.problems.testing import assert_problem

ACCEPTS = [
    "application/problem+json",
    "application/problem+json, text/csv",
    "application/json",
    "text/csv",
    "image/png",
    "*/*;q=0",
    "",
    ",,,",
    ";;;",
    "application",
    "a/b/c;q=x;=;",
    "text/html",
    "application/xml; version=1, application/problem+json; q=0.1",
    "\xff\xfe",
    "a/b," * 3000,
]


@pytest.mark.parametrize("accept", ACCEPTS)
def test_an_error_is_the_same_whatever_is_accepted(client: Client, accept: str) -> None:
    for path in ("/missing/", "/raises/drf/NotFound/", "/raises/plain/Http404/", "/nothing/drf/404/"):
        assert_problem(client.get(path, headers={"Accept": accept}), type="not-found", status=404)


@pytest.mark.parametrize("accept", ACCEPTS)
def test_a_right_request_is_answered_whatever_is_accepted(client: Client, accept: str) -> None:
    response = client.get("/orders/", headers={"Accept": accept})
    assert response.status_code == 200
    assert response.json() == {"orders": []}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60))
def test_no_accept_header_fails(client: Client, accept: str) -> None:
    assert client.get("/orders/", headers={"Accept": accept}).status_code == 200
    assert_problem(client.get("/missing/", headers={"Accept": accept}), status=404)


def test_format_is_a_parameter_like_any_other(client: Client) -> None:
    assert client.get("/orders/?format=ndjson").status_code == 200


class Browsable(APIView):
    authentication_classes: tuple[()] = ()
    permission_classes: tuple[()] = ()
    renderer_classes = (JSONRenderer, BrowsableAPIRenderer)

    def get(self, request: Request) -> Response:
        return Response({"orders": []})


urlpatterns = [re_path(r"^browsable/$", Browsable.as_view())]

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("query", "media_type"),
    [
        ("", "text/html"),
        ("?format=api", "text/html"),
        ("?format=json", "application/json"),
        ("?format=csv", "text/html"),  # not the format of a renderer, so it may be a parameter of the view
        ("?format=", "text/html"),
    ],
)
def test_a_format_that_the_view_has_is_honoured(
    client: Client, settings: Settings, query: str, media_type: str
) -> None:
    settings.ROOT_URLCONF = __name__
    response = client.get(f"/browsable/{query}", headers=BROWSER)
    assert response.headers["Content-Type"].partition(";")[0] == media_type


def test_a_format_is_honoured_where_accept_names_nothing_of_the_view(client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    response = client.get("/browsable/?format=api", headers={"Accept": "application/json"})
    assert response.headers["Content-Type"].partition(";")[0] == "text/html"
