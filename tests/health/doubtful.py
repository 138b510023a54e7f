"""Probes that the tests configure by their dotted path."""

from __future__ import annotations

import threading

release = threading.Event()
"""What `hang` waits for."""
runs: list[str] = []


def passes() -> None:
    runs.append("passes")


def warns() -> str:
    return "nearly full: /var/lib/secret"


class ProviderDown(Exception):
    """Of a name that no other test's exception has: the metrics of a process count them all by name."""


def fails() -> None:
    raise ProviderDown("password authentication failed for user admin at db.internal")


def hangs() -> None:
    runs.append("hangs")
    release.wait()


def takes_a_moment() -> None:
    runs.append("takes_a_moment")
    threading.Event().wait(0.2)


def exits() -> None:
    raise SystemExit(1)


def wants_an_argument(argument: str) -> None:
    runs.append(argument)


def says_no() -> bool:
    return False


not_callable = "a string"
