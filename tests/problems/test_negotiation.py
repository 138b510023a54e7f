"""Accept never turns one answer into another."""

from __future__ import annotations

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
