"""Things that really fail, for probes to find."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django.fixtures import Settings

AddDatabase = Callable[..., str]


@pytest.fixture
def probes(settings: Settings) -> Callable[..., None]:
    """Configure these probes: `probes(database="health.probes.Database")`; further settings as `HEALTH={...}`."""

    def configure(HEALTH: dict[str, Any] | None = None, **probes: object) -> None:  # noqa: N803
        settings.HEALTH = {**(HEALTH or {}), "PROBES": probes}

    return configure


@pytest.fixture
def add_database(db: None, probes: Callable[..., None]) -> Iterator[AddDatabase]:
    """Add a PostgreSQL alias, at this host and port, and make it the one that is probed."""
    added = []

    def add(alias: str, *, host: str, port: int | str = "", name: str = "postgres", **settings: Any) -> str:
        entry = {"ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": name, **settings}
        entry.setdefault("USER", "postgres")
        connections.settings[alias] = connections.configure_settings({"default": {}, alias: entry})[alias]
        added.append(alias)
        probes(database={"PROBE": "health.probes.Database", "OPTIONS": {"alias": alias}})
        return alias

    yield add
    for alias in added:
        del connections.settings[alias]


@pytest.fixture
def refusing_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where somebody accepts, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


@pytest.fixture
def stranger() -> Client:
    """A client as the kubelet is one: the pod's address as Host, no session, plain HTTP."""
    return Client(headers={"Host": "10.244.1.7:8000"})
