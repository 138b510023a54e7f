"""The directory of an archive, in which another user may have placed files or links."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError

from tests.support.retention import ago, messages, row, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_partitions")]

Store = Callable[..., None]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    file = tmp_path / "victim"
    file.write_text("precious")
    return file


@pytest.fixture
def cold(tmp_path: Path) -> Path:
    directory = tmp_path / "cold"
    directory.mkdir(mode=0o700)
    return directory


def test_a_link_in_the_place_of_the_lock_is_refused(store: Store, cold: Path, victim: Path) -> None:
    store(row(ago(40)))
    (cold / ".lock").symlink_to(victim)
    with pytest.raises(CommandError, match=r"\.lock is a link: remove it"):
        run("archive_system_logs", "--before", "30d", "--to", str(cold), "--prune")
    assert victim.read_text() == "precious"
    assert messages() == {"m"}


def test_a_lock_that_would_be_made_behind_a_link_is_not(store: Store, cold: Path, tmp_path: Path) -> None:
    store(row(ago(40)))
    (cold / ".lock").symlink_to(tmp_path / "new")
    with pytest.raises(CommandError, match="is a link"):
        run("archive_system_logs", "--before", "30d", "--to", str(cold))
    assert not (tmp_path / "new").exists()


def test_links_in_the_place_of_new_files_are_replaced_and_not_followed(
    store: Store, cold: Path, victim: Path, tmp_path: Path
) -> None:
    store(row(ago(40)))
    run("archive_system_logs", "--before", "30d", "--to", str(tmp_path / "other"))
    (made,) = (tmp_path / "other").glob("*.gz")
    for name in ("manifest.part", made.name, f"{made.name.partition('.')[0]}.part"):
        (cold / name).symlink_to(victim)
    run("archive_system_logs", "--before", "30d", "--to", str(cold))
    assert victim.read_text() == "precious"
    assert (cold / made.name).read_bytes() == made.read_bytes()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777], ids=oct)
def test_a_directory_that_others_may_write_to_is_refused(store: Store, cold: Path, mode: int) -> None:
    store(row(ago(40)))
    cold.chmod(mode)
    with pytest.raises(CommandError, match="others may write to it"):
        run("archive_system_logs", "--before", "30d", "--to", str(cold), "--prune")
    assert messages() == {"m"}
    assert list(cold.iterdir()) == []


def test_what_is_written_is_private_under_any_umask(store: Store, tmp_path: Path) -> None:
    store(row(ago(40)))
    cold = tmp_path / "cold"
    before = os.umask(0)
    try:
        run("archive_system_logs", "--before", "30d", "--to", str(cold))
    finally:
        os.umask(before)
    assert stat.S_IMODE(cold.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in cold.iterdir()} == {0o600}
