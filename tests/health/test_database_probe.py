"""The database probe against databases that fail in every way they do in production."""

from __future__ import annotations

import time

from django.test import Client

from tests.health.conftest import AddDatabase

TOLD_TO_THE_KUBELET_WITHIN_S = 1.0


def assert_not_ready(client: Client, *, within_s: float = TOLD_TO_THE_KUBELET_WITHIN_S) -> None:
    began = time.monotonic()
    response = client.get("/system-health/ready")
    took_s = time.monotonic() - began

    assert response.status_code == 503
    assert (response.json()["status"], response.json()["db_ok"]) == ("maintenance", False)
    assert took_s < within_s
    assert client.get("/system-health/live").status_code == 200


def test_a_database_that_refuses(stranger: Client, add_database: AddDatabase, refusing_port: int) -> None:
    add_database("refusing", host="127.0.0.1", port=refusing_port)

    assert_not_ready(stranger)


def test_a_database_that_accepts_and_says_nothing(
    stranger: Client, add_database: AddDatabase, silent_port: int
) -> None:
    add_database("silent", host="127.0.0.1", port=silent_port)

    assert_not_ready(stranger)
    assert_not_ready(stranger, within_s=0.1)  # who asks again does not wait again
