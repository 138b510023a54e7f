"""Static files: what WhiteNoise refuses is a problem, as all errors are."""

from __future__ import annotations

import json

import pytest
from django.test import Client

ICON = "/favicon.ico"
REFUSALS = [
    pytest.param("POST", {}, 405, {"Allow": "GET, HEAD"}, id="a method that files do not have"),
    pytest.param("OPTIONS", {}, 405, {"Allow": "GET, HEAD"}, id="OPTIONS"),
    pytest.param("GET", {"Range": "bytes=999999-"}, 416, {"Content-Range": "bytes */70"}, id="a range past the end"),
]


@pytest.mark.parametrize("path", [ICON, "/static/systemlog/admin.css"])
@pytest.mark.parametrize(("method", "asked", "status", "said"), REFUSALS)
def test_a_refusal_is_a_problem(
    client: Client, path: str, method: str, asked: dict[str, str], status: int, said: dict[str, str]
) -> None:
    response = client.generic(method, path, headers=asked)
    body = b"".join(response)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert json.loads(body)["correlation_id"] == response["X-Request-ID"]
    assert response["Content-Length"] == str(len(body))
    assert all(response[name].partition("/")[0] == value.partition("/")[0] for name, value in said.items())


def test_a_refused_head_has_the_headers_alone(client: Client) -> None:
    response = client.head(ICON, headers={"Range": "bytes=999999-"})

    assert b"".join(response) == b""
    assert (response.status_code, response["Content-Type"]) == (416, "application/problem+json")


def test_a_part_of_a_file_is_a_part_of_the_file(client: Client) -> None:
    response = client.get(ICON, headers={"Range": "bytes=0-3"})

    assert (response.status_code, b"".join(response)) == (206, b"\x00\x00\x01\x00")
