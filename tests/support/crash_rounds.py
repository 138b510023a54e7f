"""Programs that kill processes in rounds (`python -m tests.crash` and its like): their options, and their short run."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connections

from tests.support.servers import PROJECT


def read_options(description: str | None, *, rounds: int) -> argparse.Namespace:
    """Read the options of such a program, and seed the moments of its kills. `rounds` is the default of its rounds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of each kind")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="postgresql")
    parser.add_argument("--pg-bin", type=Path, help="PostgreSQL's binaries (default: those of the tests' wheel)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the moments of the kills")
    options = parser.parse_args()
    random.seed(options.seed)
    print(f"seed {options.seed}")
    return options


def run_rounds(module: str, pytestconfig: pytest.Config, *, rounds: int) -> str:
    """Run a few rounds of such a program on the database of the suite. Return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, f"--rounds={rounds}", f"--database={pytestconfig.getoption('db')}"],
        check=False,
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def killed_soon(work: Callable[[], None]) -> Iterator[None]:
    """Run a function in a process that is killed at the end of the block."""
    child = in_child(work)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def in_child(work: Callable[[], None]) -> int:
    """Run a function in a process of its own, and return the id of the process."""
    connections.close_all()
    child = os.fork()
    if child:
        return child
    with contextlib.suppress(BaseException):
        work()
    os._exit(0)


def die() -> None:
    """End this process as a kill does."""
    os.kill(os.getpid(), signal.SIGKILL)
