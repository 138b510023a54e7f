"""A `charset` in the Content-Type is read by Django before any middleware runs."""

from __future__ import annotations

import pytest

from tests.support.servers import Server

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("fixture", ["shared_server", "shared_asgi_server"])
def test_a_strange_charset_breaks_no_request(request: pytest.FixtureRequest, fixture: str) -> None:
    server: Server = request.getfixturevalue(fixture)
    with server.client() as client:
        for charset in ("hex", "undefined", "idna"):
            headers = {"Content-Type": f"application/json; charset={charset}"}
            assert client.get("/system-health/live?a=1", headers=headers).status_code == 200, charset
            answer = client.get("/system/logs/?a=%41", headers=headers)
            assert answer.headers["Content-Type"] == "application/problem+json", charset
        many = client.get("/system/logs/?" + "a&" * 1001, headers={"Content-Type": "application/json; charset=utf-8"})
        assert many.headers["Content-Type"] == "application/problem+json"
