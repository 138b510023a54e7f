"""Fixtures of every room."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.db import connections
from django.test import override_settings

from systemlog.conf import conf
from systemlog.search import time_walk
from tests import citus
from tests.support.databases import on_citus
from tests.support.servers import Migrated, Platform, Server, fresh_platform, migrated_database

# How long an example takes says something about the machine, which may be busy, and nothing about the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hashing a password takes a third of a second, as it should."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """A database that a test adds is its own: a later test would hand it to a process that does not know it."""
    assert set(connections.settings) <= {"default", "logs"}


@pytest.fixture
def a_few_slices_a_page(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """The budget of a search is enough for a few slices: time goes on by 0.2 s with each statement, and only so.

    How often anybody looks at the clock does not matter, nor how busy the real database is.
    """
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "SEARCH_TIMEOUT_S": 0.8}
    monkeypatch.setattr("systemlog.search.time_walk.SLICE_S", 10 * time_walk.SLICE_S)
    now = time.monotonic()

    def take_time(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal now
        now += 0.2
        return execute(*arguments)

    monkeypatch.setattr("time.monotonic", lambda: now)
    with connections[conf().DATABASE].execute_wrapper(take_time):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite's test databases are files, as in production: in memory, SQLite locks by other rules."""
    from django.db import connections

    for connection in connections.all():
        if connection.vendor == "sqlite":
            folder = tmp_path_factory.mktemp("databases")
            connection.settings_dict["TEST"]["NAME"] = str(folder / f"{connection.alias}.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(_databases_join_the_cluster: set[str], django_db_setup: None) -> Iterator[None]:
    """As pytest-django's; on a Citus cluster the test databases leave it before they are dropped."""
    yield
    for name in _databases_join_the_cluster:
        citus.leave_cluster(os.environ["DATABASE_URL"], name)


@pytest.fixture(scope="session")
def _databases_join_the_cluster() -> Iterator[set[str]]:
    """On a Citus cluster a test database is one of the cluster before it is migrated; gives those that are."""
    from django.db import connections
    from django.db.models.signals import pre_migrate

    joined: set[str] = set()

    def join(using: str, **kwargs: object) -> None:
        name = str(connections[using].settings_dict["NAME"])
        if on_citus() and name not in joined:
            joined.add(name)
            citus.join_cluster(os.environ["DATABASE_URL"], name)

    pre_migrate.connect(join)
    yield joined
    pre_migrate.disconnect(join)


@pytest.fixture(scope="session")
def postgresql_url(pytestconfig: pytest.Config) -> str | None:
    """Where platforms have their databases; None for SQLite files."""
    return os.environ["DATABASE_URL"] if pytestconfig.getoption("db") == "postgresql" else None


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, postgresql_url: str | None) -> Iterator[Migrated]:
    """A migrated database, for platforms to have copies of."""
    with migrated_database(tmp_path_factory.mktemp("migrated"), postgresql_url) as migrated:
        yield migrated


@pytest.fixture
def platform(tmp_path: Path, postgresql_url: str | None, migrated: Migrated) -> Iterator[Platform]:
    """The platform on a fresh database, migrated: `platform.manage(…)`, `with platform.serve(…) as server:`."""
    with fresh_platform(tmp_path, postgresql_url, migrated) as platform:
        yield platform


@pytest.fixture
def new_platform(tmp_path: Path, postgresql_url: str | None) -> Iterator[Platform]:
    """The platform before its first start: its database is empty."""
    with fresh_platform(tmp_path, postgresql_url) as platform:
        yield platform


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    """`manage.py serve` in a process of its own; it is stopped by SIGTERM, and must end cleanly."""
    with platform.serve() as server:
        yield server


@pytest.fixture(scope="session")
def shared_platform(
    tmp_path_factory: pytest.TempPathFactory, postgresql_url: str | None, migrated: Migrated
) -> Iterator[Platform]:
    """A platform of many tests: each has records of its own category, and changes nothing for the others."""
    with fresh_platform(tmp_path_factory.mktemp("shared"), postgresql_url, migrated) as platform:
        yield platform


@pytest.fixture(scope="session")
def shared_server(shared_platform: Platform) -> Iterator[Server]:
    """`manage.py serve` of the shared platform."""
    with shared_platform.serve("--workers=2") as server:
        yield server


@pytest.fixture(scope="session")
def shared_asgi_server(shared_platform: Platform) -> Iterator[Server]:
    """The shared platform under uvicorn."""
    with shared_platform.serve(asgi=True) as server:
        yield server


@pytest.fixture
def journal(settings: Any, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Has records go to files below `tmp_path`; called with further settings; gives the target's folder."""

    from systemlog.journal import backends, directory

    def begin(**more: object) -> Path:
        directory_ = tmp_path / "journal"
        settings.SYSTEMLOG = {
            **settings.SYSTEMLOG,
            "JOURNAL": "files",
            "JOURNAL_DIR": str(directory_),
            "SOURCE": "here",
            **more,
        }
        return directory.target_folder()

    yield begin
    backends.close()
