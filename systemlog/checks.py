"""System checks: they report at start-up what would fail at run time, with a hint what to do."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, router
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from systemlog import compat
from systemlog.conf import NAME, conf, problems_with
from systemlog.journal.directory import JournalUnusable, journal_directory
from systemlog.storage.postgresql import citus

SUPPORTED_VENDORS = ("postgresql", "sqlite")


@register(Tags.compatibility)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E002: `SYSTEMLOG` is a dictionary of known keys with fitting values."""
    given = getattr(settings, NAME, {})
    if not isinstance(given, dict):
        return [Error(f"{NAME} must be a dictionary.", hint=f"Write {NAME} = {{...}}.", id="systemlog.E002")]
    return [
        Error(f"{NAME}[{key!r}] {wrong}.", hint=hint, id="systemlog.E002") for key, wrong, hint in problems_with(given)
    ]


@register(Tags.compatibility)
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E001: the log database is of a known vendor. E003: its alias exists. E004: a router sends the log
    there."""
    alias = conf().DATABASE
    if alias not in connections:
        return [
            Error(
                f"{NAME}['DATABASE'] names the database alias {alias!r}, which DATABASES does not have.",
                hint="Name one of the aliases of DATABASES, or add this one.",
                id="systemlog.E003",
            )
        ]
    messages: list[CheckMessage] = []
    vendor = connections[alias].vendor
    if vendor == "unknown":
        return []  # no database is configured, and Django itself reports that
    if vendor not in SUPPORTED_VENDORS:
        messages.append(
            Error(
                f"The system log cannot be stored in {vendor}, the database of alias {alias!r}.",
                hint=f"Point {NAME}['DATABASE'] at a PostgreSQL or SQLite database.",
                id="systemlog.E001",
            )
        )
    from systemlog.models import SystemLog

    if router.db_for_write(SystemLog) != alias:
        messages.append(
            Error(
                f"{NAME}['DATABASE'] is {alias!r}, but no router sends SystemLog there.",
                hint="Add 'systemlog.router.SystemLogRouter' to DATABASE_ROUTERS.",
                id="systemlog.E004",
            )
        )
    return messages


@register(Tags.compatibility)
def check_driver(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E007: Django uses psycopg 3 for PostgreSQL, because the log needs its COPY."""
    alias = conf().DATABASE
    if alias not in connections or connections[alias].vendor != "postgresql" or compat.uses_psycopg3():
        return []
    return [
        Error(
            f"Django uses psycopg2 for the database {alias!r}, but the system log needs psycopg 3.",
            hint='Install it: pip install "psycopg[binary]". Django uses psycopg2 if psycopg, or its libpq, is '
            "missing.",
            id="systemlog.E007",
        )
    ]


@register(Tags.compatibility)
def check_own_file(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W031 and W032: on SQLite, the log and the project's own transactions do not make each other fail."""
    alias = conf().DATABASE
    if alias != "default" or alias not in connections or connections[alias].vendor != "sqlite":
        return []
    if conf().JOURNAL == "direct":
        return [
            CheckWarning(
                "The system log shares a SQLite file with the project. A record that is logged inside a transaction "
                "that has written waits 5 s for that same transaction to end, and is then refused.",
                hint=f"Set {NAME}['JOURNAL'] to 'files'; or give the log a file of its own: an alias in DATABASES, "
                f"named by {NAME}['DATABASE'] and migrated (migrate --database); or use PostgreSQL.",
                id="systemlog.W032",
            )
        ]
    options = connections[alias].settings_dict.get("OPTIONS", {})
    if conf().JOURNAL == "memory" or options.get("transaction_mode") in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        CheckWarning(
            "The system log shares a SQLite file with the project: a transaction that reads before it writes fails "
            "with 'database is locked' where a record was stored in between.",
            hint=f"Give the log a file of its own: an alias in DATABASES, named by {NAME}['DATABASE'] and migrated "
            "(migrate --database); or set 'transaction_mode': 'IMMEDIATE' in the OPTIONS of this one.",
            id="systemlog.W031",
        )
    ]


@register(Tags.compatibility)
def check_cluster(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E030: only PostgreSQL can be a Citus cluster."""
    alias = conf().DATABASE
    if not conf().CITUS or alias not in connections or connections[alias].vendor in ("postgresql", "unknown"):
        return []
    return [
        Error(
            f"{NAME}['CITUS'] is on, but the database of alias {alias!r} is {connections[alias].vendor}.",
            hint=f"Point {NAME}['DATABASE'] at the coordinator of the cluster, or turn CITUS off.",
            id="systemlog.E030",
        )
    ]


@register(Tags.database)
def check_distribution(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """systemlog.W030: the table is distributed if and only if `CITUS` says so. This check asks the database."""
    alias = conf().DATABASE
    if alias not in (databases or ()) or connections[alias].vendor != "postgresql":
        return []
    with connections[alias].cursor() as cursor:
        distributed = citus.is_distributed(cursor)
    if distributed in (conf().CITUS, None):
        return []
    return [
        CheckWarning(
            f"{NAME}['CITUS'] is {conf().CITUS}, but system_logs is {'' if distributed else 'not '}distributed.",
            hint="Set it as the table is, or move the records: `distribute_system_logs`, or with `--undo` back to the "
            "coordinator. While records are moved, nothing can be inserted.",
            id="systemlog.W030",
        )
    ]


@register(Tags.urls)
def check_urls(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.W033: no URL pattern before the log API's takes its paths."""
    if not getattr(settings, "ROOT_URLCONF", None):  # a project that only runs workers has none
        return []
    try:
        path = reverse("system-log-list")
    except NoReverseMatch:
        return []  # a project may have the log without its API
    try:
        found = resolve(path)
    except Resolver404:
        found = None
    if found is not None and found.url_name == "system-log-list":
        return []
    return [
        CheckWarning(
            f"The log API does not answer at {path}: "
            + (f"the pattern {found.route!r} before it takes that path." if found else "no pattern takes that path."),
            hint="Put the include of 'systemlog.api.urls' before any pattern that takes every path.",
            id="systemlog.W033",
        )
    ]


@register(Tags.compatibility)
def check_time_zones(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E006: USE_TZ is on, because the log stores instants and not local times."""
    if settings.USE_TZ:
        return []
    return [
        Error("The system log needs USE_TZ = True.", hint="Set USE_TZ = True (Django's default).", id="systemlog.E006")
    ]


@register(Tags.files)
def check_journal_directory(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E005: this process can use the directory of the journal, and no other user can write to it."""
    if conf().JOURNAL != "files" and not conf().JOURNAL_DIR:
        return []
    try:
        path = journal_directory()
    except JournalUnusable as error:
        problem = str(error)
    else:
        wrong = _wrong_with(path)
        if wrong is None:
            return []
        problem = (
            f"{NAME}['JOURNAL_DIR'] {wrong}." if conf().JOURNAL_DIR else f"The journal's directory {path} {wrong}."
        )
    return [
        Error(
            problem,
            hint="Name a directory on a local disk that outlives restarts, of the service's user, with mode 0700.",
            id="systemlog.E005",
        )
    ]


def _wrong_with(directory: Path) -> str | None:
    if not directory.is_absolute():
        return "is no absolute path"
    if Path(tempfile.gettempdir()).resolve() == directory.resolve():
        return "is the directory of temporary files, which a restart may empty"
    if not directory.exists():
        there = next(parent for parent in directory.parents if parent.exists())
        can_be_made = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
        return None if can_be_made else "does not exist, and cannot be made"
    if not directory.is_dir() or not os.access(directory, os.W_OK | os.X_OK):
        return "is no directory that this process can write to"
    status = directory.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "belongs to another user, or others may write to it"
    return None
