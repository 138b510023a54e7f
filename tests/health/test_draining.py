"""Taking an instance out of service without refusing anybody."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests.support.health import Probes


@pytest.fixture(autouse=True)
def drain_file(probes: Probes, tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "state" / "draining"
    probes(HEALTH={"DRAIN_FILE": str(file)})
    return file


def test_a_draining_instance_is_not_ready_but_alive_and_its_database_is_fine(stranger: Client) -> None:
    assert stranger.get("/system-health/ready").status_code == 200

    call_command("drain", stdout=StringIO())

    response = stranger.get("/system-health/ready")
    assert response.status_code == 503
    assert (response.json()["status"], response.json()["db_ok"]) == ("maintenance", True)
    assert stranger.get("/system-health").status_code == 503
    assert stranger.get("/system-health/live").status_code == 200


def test_it_can_be_put_back_into_service(stranger: Client) -> None:
    stranger.get("/system-health/live")
    call_command("drain", stdout=StringIO())
    call_command("drain", off=True, stdout=StringIO())
    call_command("drain", off=True, stdout=StringIO())

    assert stranger.get("/system-health/ready").status_code == 200


def test_a_mark_that_cannot_be_written_is_said(drain_file: Path, stranger: Client) -> None:
    stranger.get("/system-health/live")
    drain_file.symlink_to(drain_file.parent / "nowhere" / "draining")

    with pytest.raises(CommandError, match=r"cannot be written.*DRAIN_FILE"):
        call_command("drain", stdout=StringIO())


def test_a_file_where_the_folder_should_be_is_said(drain_file: Path) -> None:
    drain_file.parent.write_text("a file where the folder should be")

    with pytest.raises(CommandError, match="DRAIN_FILE"):
        call_command("drain", stdout=StringIO())


@pytest.mark.parametrize("options", [{}, {"off": True}], ids=["drain", "drain --off"])
def test_where_no_server_looks_for_the_mark_it_is_said_and_none_is_left(
    drain_file: Path, options: dict[str, bool]
) -> None:
    drain_file.parent.mkdir()
    with pytest.raises(CommandError, match=f"No server looks for {drain_file}"):
        call_command("drain", stdout=StringIO(), **options)
    assert not drain_file.exists()


def test_a_mark_that_an_ended_server_left_can_be_taken_away(drain_file: Path) -> None:
    drain_file.parent.mkdir()
    drain_file.touch()
    call_command("drain", off=True, stdout=StringIO())
    assert not drain_file.exists()


def test_a_server_that_starts_is_not_drained_by_what_an_ended_one_left(drain_file: Path, stranger: Client) -> None:
    drain_file.parent.mkdir()
    drain_file.touch()

    assert stranger.get("/system-health/ready").status_code == 200
    assert not drain_file.exists()


def test_a_process_that_starts_beside_others_leaves_their_mark(drain_file: Path, stranger: Client) -> None:
    drain_file.parent.mkdir()
    other = os.open(drain_file.parent, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_SH)  # as a process does that serves already
        drain_file.touch()

        assert stranger.get("/system-health/ready").status_code == 503
        assert drain_file.exists()
    finally:
        os.close(other)


def test_a_folder_that_is_not_there_is_not_made(probes: Probes, tmp_path: Path, stranger: Client) -> None:
    probes(HEALTH={"DRAIN_FILE": str(tmp_path / "mistyped" / "folder" / "draining")})
    assert stranger.get("/system-health/live").status_code == 200
    with pytest.raises(CommandError, match="No server looks for"):
        call_command("drain", stdout=StringIO())
    assert not (tmp_path / "mistyped").exists()
