"""By which address a request is counted."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory

from systemlog.limits.clients import limited_address

PROXIES = ["10.0.0.0/8", "unix"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "counted"),
    [
        ("192.0.2.7", "", PROXIES, "192.0.2.7"),
        ("192.0.2.7", "203.0.113.5", PROXIES, "192.0.2.7"),
        ("10.0.0.1", "203.0.113.5", PROXIES, "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.5, 10.0.0.2", PROXIES, "203.0.113.5"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", PROXIES, "10.0.0.9"),
        ("10.0.0.1", "203.0.113.5:4711", PROXIES, "203.0.113.5"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:4711", PROXIES, "2001:db8:1:2::/64"),
        ("10.0.0.1", "2001:db8:1:2:3::4", PROXIES, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", PROXIES, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "", PROXIES, "fe80::/64"),
        ("::ffff:192.0.2.7", "", PROXIES, "192.0.2.7"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.5", PROXIES, "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1, unknown", PROXIES, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.5,, ", PROXIES, "203.0.113.5"),
        ("", "203.0.113.5", PROXIES, "203.0.113.5"),
        ("", "", PROXIES, None),
        ("192.0.2.7", "198.51.100.1, 203.0.113.5", ["*"], "203.0.113.5"),
        ("10.0.0.1", ", ".join(["198.51.100.1"] * 100 + ["203.0.113.5"]), PROXIES, "203.0.113.5"),
        ("10.0.0.1", "1" * 9000, PROXIES, "10.0.0.1"),
    ],
)
def test_counted_by(
    settings: Any, rf: RequestFactory, peer: str, forwarded: str, proxies: list[str], counted: str | None
) -> None:
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "TRUSTED_PROXIES": proxies}

    assert limited_address(rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)) == counted
