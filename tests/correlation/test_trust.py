"""The clients whose ids are used."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from systemlog.correlation.trusted_proxies import is_trusted
from tests.support.correlation import Get

TRACE = "0af7651916cd43dd8448eb211c80319c"
INCOMING = {"X-Request-ID": "given", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


def test_nobody_is_trusted_where_the_setting_says_none(get: Get, settings: Settings) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "CORRELATION_TRUST": "none"}
    response = get("/seen", headers=INCOMING)

    assert response["X-Request-ID"] != "given"
    assert response.json()["trace_id"] is None


@pytest.mark.parametrize(("address", "taken"), [("10.1.2.3", True), ("11.1.2.3", False), ("", False)])
def test_only_the_proxies_named_are_trusted(client: Client, settings: Settings, address: str, taken: bool) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "CORRELATION_TRUST": ["10.0.0.0/8"]}
    response = client.get("/seen", headers=INCOMING, REMOTE_ADDR=address)

    assert (response["X-Request-ID"] == "given") is taken
    assert (response.json()["trace_id"] == TRACE) is taken


@pytest.mark.parametrize(
    ("trust", "address", "expected"),
    [
        ("all", "", True),
        ("none", "127.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["10.0.0.0/8"], "::ffff:10.1.1.1", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["2001:db8::/32"], "10.0.0.1", False),
        (["unix"], "", True),
        (["10.0.0.0/8"], "", False),
        (["10.0.0.0/8"], "not an address", False),
        (["a typo", "10.0.0.0/8"], "10.0.0.1", True),
        ([], "127.0.0.1", False),
    ],
)
def test_a_peer_is_trusted_by_its_address(trust: str | list[str], address: str, expected: bool) -> None:
    assert is_trusted(trust, address) is expected
