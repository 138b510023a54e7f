"""A Citus cluster of three nodes on loopback, a coordinator and two workers, for the tests marked `citus`.

    python -m tests.citus BIN                       runs until Ctrl-C or SIGTERM
    python -m tests.citus BIN -- pytest -m citus    runs a command with CITUS_DATABASE_URL, and exits with its code

BIN is the directory of the `postgres` binary of an installation that has the extension.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.postgresql import Server, running_server

NAME = "CITUS_DATABASE_URL"
"""The variable with the URL of the coordinator, and of a database in which the cluster is set up."""

WORKERS = 2
NODE_SETTINGS = {
    "shared_preload_libraries": "citus",
    "citus.node_conninfo": "sslmode=prefer",
    # Shards of each partition. More shards would test nothing else, and would make DDL statements slower.
    "citus.shard_count": "4",
    "max_locks_per_transaction": "256",
}


@contextlib.contextmanager
def running_cluster(binaries: Path, first_port: int | None = None) -> Iterator[str]:
    """Start a cluster, and yield its `CITUS_DATABASE_URL`. The cluster and its data are removed at the end."""
    ports = _free_ports(1 + WORKERS) if first_port is None else range(first_port, first_port + 1 + WORKERS)
    with contextlib.ExitStack() as stack:
        coordinator, *workers = (
            stack.enter_context(running_server(binaries, settings=NODE_SETTINGS, port=port)) for port in ports
        )
        for node in (coordinator, *workers):
            with node.connect() as connection:
                connection.execute("CREATE EXTENSION citus")
        with coordinator.connect() as connection:
            _join(connection, ("127.0.0.1", _port(coordinator)), [("127.0.0.1", _port(node)) for node in workers])
        yield coordinator.url()


def join_cluster(url: str, database: str) -> None:
    """Add an existing database of the coordinator at `url` to the cluster, by creating it on each worker."""
    with psycopg.connect(url) as connection:
        nodes = connection.execute("SELECT nodename, nodeport, groupid FROM pg_dist_node ORDER BY groupid").fetchall()
    coordinator, *workers = [(name, port) for name, port, _ in nodes]
    for host, port in workers:
        with _connect(url, host=host, port=port) as connection:
            # A run that was killed may have left its database.
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    for host, port in (coordinator, *workers):
        with _connect(url, host=host, port=port, dbname=database) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS citus")
    with _connect(url, dbname=database) as connection:
        _join(connection, coordinator, workers)


def leave_cluster(url: str, database: str) -> None:
    """Drop the database on the workers, and end the cluster's own sessions in the coordinator's database."""
    with psycopg.connect(url) as connection:
        workers = connection.execute("SELECT nodename, nodeport FROM pg_dist_node WHERE groupid > 0").fetchall()
    for host, port in workers:
        with _connect(url, host=host, port=port) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [database]
        )


def _join(connection: psycopg.Connection, coordinator: tuple[str, int], workers: list[tuple[str, int]]) -> None:
    connection.execute("SELECT citus_set_coordinator_host(%s, %s)", coordinator)
    for worker in workers:
        connection.execute("SELECT citus_add_node(%s, %s)", worker)


def _connect(url: str, **other: Any) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, connect_timeout=5, **other)


def _port(server: Server) -> int:
    assert server.port is not None
    return server.port


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def main() -> int:
    """Run the cluster, or a command beside it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.citus", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bin", type=Path, metavar="BIN", help="directory with a postgres that has the extension citus")
    parser.add_argument("--port", type=int, help="the first of three ports in a row (default: free ones)")
    parser.epilog = "The command after -- is run; without a command, the cluster runs until Ctrl-C."
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    ours, command = sys.argv[1:end], sys.argv[end + 1 :]
    options = parser.parse_args(ours)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with running_cluster(options.bin.resolve(), options.port) as url:
        if command:
            return _run(command, {**os.environ, NAME: url})
        sys.stdout.write(f"export {NAME}={url}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        return 0


def _run(command: list[str], environment: dict[str, str]) -> int:
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    finally:
        process.terminate()  # has an effect only if this process was asked to stop
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
