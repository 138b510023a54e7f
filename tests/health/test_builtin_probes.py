"""The probes that come with the app, beside the database's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from health.probes import Cache, DiskSpace, DjangoHealthCheck, Migrations
from health.probes.cache import NotKept
from health.probes.disk import Full
from health.probes.migrations import Pending
from tests.support.health import PATIENT_S


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_disk_space_passes_warns_and_fails_as_the_disk_fills(tmpfs: Path) -> None:
    probe = DiskSpace(path=str(tmpfs), warn_below=0.5, fail_below=0.1)
    assert probe() is None

    (tmpfs / "some").write_bytes(bytes(600 * 1024))
    assert "is free" in (probe() or "")

    (tmpfs / "more").write_bytes(bytes(400 * 1024))
    with pytest.raises(Full):
        probe()


def test_disk_space_refuses_limits_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="must hold"):
        DiskSpace(path="/", warn_below=0.1, fail_below=0.2)


def test_a_cache_that_keeps_passes(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

    Cache()()


def test_a_cache_that_does_not_keep_fails(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

    with pytest.raises(NotKept):
        Cache()()


@pytest.mark.django_db(transaction=True)
def test_migrations_fail_from_the_first_that_is_pending() -> None:
    probe = Migrations()
    probe()
    call_command("migrate", "sessions", "zero", verbosity=0)
    try:
        with pytest.raises(Pending, match=r"sessions\.0001_initial"):
            probe()
    finally:
        call_command("migrate", "sessions", verbosity=0)
    probe()


class ServiceWarning(Exception):
    """Named as the one of django-health-check."""


class Ping:
    """What a check of django-health-check looks like from outside."""

    def __init__(self, answer: str = "pong") -> None:
        self.answer = answer

    async def run(self) -> None:
        if self.answer == "late":
            raise ServiceWarning("the queue is long")
        if self.answer == "none":
            raise RuntimeError("no worker")


CHECK = "tests.health.test_builtin_probes.Ping"


def test_a_check_of_django_health_check_passes_warns_and_fails() -> None:
    assert DjangoHealthCheck(CHECK)() is None
    assert DjangoHealthCheck(CHECK, answer="late")() == "the queue is long"
    with pytest.raises(RuntimeError):
        DjangoHealthCheck(CHECK, answer="none")()


def test_a_check_with_wrong_parameters_is_named_at_start_up() -> None:
    with pytest.raises(TypeError):
        DjangoHealthCheck(CHECK, question="ping")


@pytest.mark.django_db
def test_they_are_configured_by_their_dotted_paths(stranger: Client, settings: Settings, tmp_path: Path) -> None:
    settings.HEALTH = {
        "DEADLINE_S": PATIENT_S,
        "PROBES": {
            "cache": "health.probes.Cache",
            "disk": {
                "PROBE": "health.probes.DiskSpace",
                "OPTIONS": {"path": str(tmp_path), "warn_below": 0, "fail_below": 0},
            },
            "migrations": "health.probes.Migrations",
            "celery": {"PROBE": "health.probes.DjangoHealthCheck", "OPTIONS": {"check": CHECK}},
        },
    }

    assert stranger.get("/system-health/ready").status_code == 200
