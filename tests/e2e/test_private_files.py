"""Who may read what the platform writes, however the shell that starts it is set up."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]  # the files of SQLite are among what is written


@pytest.fixture(autouse=True)
def permissive() -> Iterator[None]:
    """A shell whose files everybody may write to; processes that are started inherit it."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Everything below a folder on which another user has any right."""
    found = []
    for path in folder.rglob("*"):
        if path.suffix == ".log":
            continue  # the test wrote it
        mode = path.lstat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO) and not stat.S_ISLNK(mode):
            found.append(f"{path.relative_to(folder)} {stat.filemode(mode)}")
    return found


@pytest.mark.parametrize("asgi", [False, True], ids=["serve", "uvicorn"])
def test_what_a_server_writes_is_its_own_alone(platform: Platform, asgi: bool) -> None:
    folder = Path(platform.environment["VAR_DIR"])
    folder.chmod(0o755)
    for file in folder.glob("*sqlite3*"):
        file.chmod(0o644)  # as an earlier version made it
    with platform.serve(asgi=asgi) as server, server.client(platform.token("write")) as client:
        assert client.post("/system/logs/", json={"message": "one"}).status_code == 201
        assert client.post("/system/logs/", json=[{"message": "bulk"}]).status_code == 202
        assert open_to_others(folder) == []


def test_what_a_command_writes_is_its_users_alone(platform: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "var"
    platform.environment["VAR_DIR"] = str(folder)
    platform.manage("migrate", "--verbosity=0")
    if not platform.environment.get("DATABASE_URL", "").startswith("postgres"):
        platform.manage("migrate", "--verbosity=0", "--database=logs")  # on SQLite the log has a file of its own
    platform.manage("land_system_logs", "--once")
    assert folder.is_dir()
    assert open_to_others(folder) == []
