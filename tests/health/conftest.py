"""Things that really fail, for probes to find."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from health import readiness, runner
from tests.support.health import PATIENT_S, AddDatabase, FreezingRelay, Probes, StartWorker, Worker
from tests.support.postgresql import Server, running_server


@pytest.fixture(autouse=True)
def nothing_cached(settings: Settings) -> Iterator[None]:
    """No test sees what a probe found in another, or gets a record that a probe of another logs."""
    # How full the disk of this machine is says nothing about the code.
    probes = {name: probe for name, probe in settings.HEALTH["PROBES"].items() if name != "disk"}
    settings.HEALTH = {"DEADLINE_S": PATIENT_S, **settings.HEALTH, "PROBES": probes}
    yield
    # A request is answered before the probe's thread logs that the state has changed.
    threads = [each for made in runner._made.values() for each in made.threads if each._running is None]
    for each in threads:
        each.stop()
        if each._thread is not None:
            each._thread.join(1)


@pytest.fixture
def probes(settings: Settings) -> Probes:
    """Configure these probes: `probes(database="health.probes.Database", HEALTH={"CACHE_S": 0})`."""

    def configure(HEALTH: dict[str, Any] | None = None, **probes: object) -> None:  # noqa: N803  (the setting's name)
        settings.HEALTH = {"DEADLINE_S": PATIENT_S, **(HEALTH or {}), "PROBES": probes}

    return configure


@pytest.fixture
def stranger() -> Client:
    """A client as the kubelet is one: the pod's address as Host, no session, plain HTTP."""
    return Client(headers={"Host": "10.244.1.7:8000"})


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL that a test may freeze, and where the role `app` is what an application should be: no superuser."""
    with running_server() as server:
        with server.connect() as connection:
            connection.execute("CREATE ROLE app LOGIN")
        yield server


@pytest.fixture
def add_database(django_db_blocker: DjangoDbBlocker, probes: Probes) -> Iterator[AddDatabase]:
    """Add a PostgreSQL alias, at this host and port, and make it the one that is probed."""
    added = []

    def add(alias: str, *, host: str, port: int | str = "", deadline_s: float = PATIENT_S, **settings: Any) -> str:
        entry = {"ENGINE": "django.db.backends.postgresql", "HOST": host, "PORT": port, "NAME": "postgres"}
        entry |= {"USER": "postgres"} | settings
        connections.settings[alias] = connections.configure_settings({"default": {}, alias: entry})[alias]
        added.append(alias)
        probes(
            database={"PROBE": "health.probes.Database", "OPTIONS": {"alias": alias}},
            HEALTH={"CACHE_S": 0, "DEADLINE_S": deadline_s},
        )
        return alias

    with django_db_blocker.unblock():
        yield add
    for alias in added:
        connections[alias].close()
        if connections[alias].vendor == "postgresql":
            connections[alias].close_pool()
        del connections[alias]
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
def freezing_relay(postgresql: Server) -> Iterator[FreezingRelay]:
    """A database that lets itself be connected to, and then freezes."""
    relay = FreezingRelay(postgresql)
    yield relay
    relay.close()


@pytest.fixture
def fresh_start() -> Iterator[None]:
    """A process that has not been ready yet."""
    was_started = readiness._started.is_set()
    readiness._started.clear()
    yield
    if was_started:
        readiness._started.set()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def start(directory: Path) -> Iterator[StartWorker]:
    """Start a worker; all are gone at the end."""
    workers = []

    def start_one() -> Worker:
        workers.append(Worker(directory))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.kill()
