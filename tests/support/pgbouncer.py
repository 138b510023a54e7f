"""Starts a PgBouncer with transaction pooling in front of the suite's PostgreSQL, and stops it at the end.

The program is from Debian's package `pgbouncer`. If that is not installed, `PROGRAM` is None.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ops_platform.parsers import database

PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
START_DEADLINE_S = 30

CONFIGURATION = """
[databases]
* = {target}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
ignore_startup_parameters = extra_float_digits
"""


@contextlib.contextmanager
def pooled(url: str) -> Iterator[str]:
    """Start a PgBouncer, and yield the `DATABASE_URL` that leads through it to the database at `url`."""
    assert PROGRAM is not None
    settings = database(url)
    assert settings is not None
    target = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    target["password"] = settings["PASSWORD"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as home:
        file = Path(home) / "pgbouncer.ini"
        told = " ".join(f"{name}={value}" for name, value in target.items() if value)
        file.write_text(CONFIGURATION.format(target=told, port=port))
        identity = {}
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, -1)
            os.chown(file, nobody.pw_uid, -1)
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        with (Path(home) / "log").open("wb") as log:
            process = subprocess.Popen([PROGRAM, file], stdout=log, stderr=log, start_new_session=True, **identity)
        try:
            deadline = time.monotonic() + START_DEADLINE_S
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.05)
                    raise RuntimeError(f"PgBouncer ended:\n{(Path(home) / 'log').read_text()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"PgBouncer did not start:\n{(Path(home) / 'log').read_text()}")
            yield f"postgresql://postgres@127.0.0.1:{port}/{settings['NAME']}"
        finally:
            process.kill()
            process.wait()
