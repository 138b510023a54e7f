"""Fixtures of every room."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests import citus
from tests.databases import on_citus
from tests.servers import Platform, Server, fresh_platform

# How long an example takes says something about the machine, which may be busy, and nothing about the code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


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


@pytest.fixture
def platform(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Platform]:
    """The platform on a fresh database, not yet migrated: `platform.manage(…)`, `with platform.serve(…) as server:`."""
    on_postgresql = pytestconfig.getoption("db") == "postgresql"
    with fresh_platform(tmp_path, os.environ["DATABASE_URL"] if on_postgresql else None) as platform:
        yield platform


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    """`manage.py serve` in a process of its own; it is stopped by SIGTERM, and must end cleanly."""
    with platform.serve() as server:
        yield server


@pytest.fixture
def asgi_server(platform: Platform) -> Iterator[Server]:
    """The same under uvicorn."""
    with platform.serve(asgi=True) as server:
        yield server


@pytest.fixture
def journal(settings: Any, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Has records go to files below `tmp_path`; called with further settings; gives the target's folder."""

    from systemlog.journal import directory, sinks

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
    sinks.close()
