"""Runs the platform for acceptance tests: as a separate process, on a fresh database, asked over HTTP.

Migrating takes longer than most tests, so it is done once. Each platform gets a copy of a `Migrated` database.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg

PROJECT = Path(__file__).parents[2]
START_DEADLINE_S = 60
STOP_DEADLINE_S = 20
POLL_S = 0.05

MIGRATE = """
import io, json
from django.core.management import call_command
from ops_platform.startup import migrate
migrate(0)
tokens = {}
for can in (["read"], ["write"], ["read", "write"]):
    out = io.StringIO()
    call_command("issue_token", "test-" + "-".join(can), *[f"--can={action}" for action in can], stdout=out)
    tokens["+".join(can)] = out.getvalue().strip()
print(json.dumps(tokens))
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Platform:
    """An environment in which commands and servers of the platform run, all on one fresh database."""

    folder: Path
    environment: dict[str, str]
    """The environment variables of commands and servers. A test may change them."""
    tokens: dict[str, str]
    """The tokens in the copied database, by their rights."""

    def manage(self, *arguments: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `manage.py`, and return the result with its output. A failure fails the test unless `check=False`."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            check=False,
            cwd=PROJECT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=START_DEADLINE_S,
        )
        if check:
            assert done.returncode == 0, f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
        return done

    def token(self, *can: str) -> str:
        """Return a token with these rights (`read`, `write`)."""
        return self.tokens["+".join(can)]

    def migrate(self) -> dict[str, str]:
        """Migrate the databases as a server does when it starts, and return tokens for the tests."""
        return json.loads(self.manage("shell", "--verbosity=0", "--command", MIGRATE).stdout)

    @contextlib.contextmanager
    def serve(
        self, *arguments: str, asgi: bool = False, wait: bool = True, port: int = 0, clean_exit: int | None = None
    ) -> Iterator[Server]:
        """Run `manage.py serve` with `arguments`, or uvicorn. The default port is a free one.

        The block begins when the server has answered a request, unless `wait` is False. `clean_exit` is the exit code
        that the server must have, for a test that ends it by something else than SIGTERM.
        """
        port = port or _free_port()
        if asgi:
            command = [sys.executable, "-m", "uvicorn", "ops_platform.asgi:application", f"--port={port}"]
            command += ["--lifespan=off", *arguments]
        else:
            command = [sys.executable, "manage.py", "serve", f"--bind=127.0.0.1:{port}", *arguments]
        log = self.folder / f"server-{port}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if clean_exit is None:
            clean_exit = -signal.SIGTERM if asgi else 0  # uvicorn ends by the signal that stopped it
        server = Server(f"http://127.0.0.1:{port}", process, log, clean_exit)
        try:
            if wait:
                server.wait_until_it_answers()
            yield server
            server.stop()
        finally:
            process.kill()
            process.wait()


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    """The file with its stdout and stderr."""
    clean_exit: int = 0

    def client(self, token: str | None = None) -> httpx.Client:
        """Return an HTTP client for the server, with the token if one is given. Use it in a `with` statement."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=START_DEADLINE_S, trust_env=False)

    def wait_until_it_answers(self) -> None:
        """Wait until the server listens and one of its workers has answered a request."""
        host, port = self.url.removeprefix("http://").split(":")
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5):
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(timeout=POLL_S)
                raise AssertionError(f"The server ended with {code} instead of starting:\n{self.log.read_text()}")
            assert time.monotonic() < deadline, f"The server did not start:\n{self.log.read_text()}"
        try:
            httpx.get(self.url, timeout=START_DEADLINE_S, trust_env=False)
        except httpx.HTTPError as error:
            raise AssertionError(f"The server did not answer ({error}):\n{self.log.read_text()}") from error

    def wait_for_line(self, words: str) -> None:
        """Wait until the server has written a line with these words."""
        deadline = time.monotonic() + START_DEADLINE_S
        while words not in self.log.read_text():
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(timeout=POLL_S)
                raise AssertionError(f"The server ended with {code}:\n{self.log.read_text()}")
            assert time.monotonic() < deadline, f"The server did not write {words!r}:\n{self.log.read_text()}"

    def stop(self) -> None:
        """Stop the server by SIGTERM, and assert that it exits cleanly."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"The server did not stop within {STOP_DEADLINE_S} s:\n{self.log.read_text()}"
            ) from None
        assert code == self.clean_exit, f"The server ended with {code}:\n{self.log.read_text()}"


@dataclasses.dataclass(frozen=True, slots=True)
class Migrated:
    """A migrated database to copy, with a token for each combination of rights."""

    folder: Path
    """The folder of its files, for SQLite."""
    name: str
    """The name of the database, for PostgreSQL."""
    tokens: dict[str, str]


@contextlib.contextmanager
def migrated_database(folder: Path, postgresql_url: str | None) -> Iterator[Migrated]:
    """Create a migrated database to copy."""
    with fresh_platform(folder, postgresql_url) as platform:
        tokens = platform.migrate()
        name = platform.environment.get("DATABASE_URL", "").partition("?")[0].rpartition("/")[2]
        yield Migrated(folder, name, tokens)


@contextlib.contextmanager
def fresh_platform(folder: Path, postgresql_url: str | None, like: Migrated | None = None) -> Iterator[Platform]:
    """Create a platform on a new database of the server at `postgresql_url`, or on SQLite files in `folder`.

    The database is a copy of `like`, or else empty and not migrated.
    """
    environment = {
        **os.environ,
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "VAR_DIR": str(folder),
        "PYTHONWARNINGS": "default",
        "WEB_CONCURRENCY": "1",
    }
    for name in ("DATABASE_URL", "SYSTEMLOG_JOURNAL"):
        environment.pop(name, None)
    with contextlib.ExitStack() as stack:
        if postgresql_url:
            database = _fresh_database(postgresql_url, like.name if like else "template1")
            environment["DATABASE_URL"] = stack.enter_context(database)
        elif like:
            for file in like.folder.glob("*.sqlite3*"):
                shutil.copy(file, folder)
        yield Platform(folder, environment, like.tokens if like else {})


@contextlib.contextmanager
def _fresh_database(url: str, template: str) -> Iterator[str]:
    name = f"e2e_{uuid.uuid4().hex[:12]}"
    _execute(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield _with_name(url, name)
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    from ops_platform.parsers import database

    settings = database(url)
    assert settings is not None
    parameters = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    given = {parameter: settings[key] for parameter, key in parameters.items() if settings[key]}
    # The connection is not kept open, because a test may stop the server.
    with psycopg.connect(
        **given, dbname=settings["NAME"], autocommit=True, **settings.get("OPTIONS", {})
    ) as connection:
        connection.execute(statement)


def _with_name(url: str, name: str) -> str:
    address, question_mark, options = url.partition("?")
    return f"{address.rpartition('/')[0]}/{name}{question_mark}{options}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
