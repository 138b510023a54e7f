"""System checks of the platform's configuration, which run before it serves."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

MIN_KEY_LENGTH = 50
MIN_KEY_CHARACTERS = 5
LOCAL_HOSTS = {"localhost", ".localhost", "127.0.0.1", "[::1]", "testserver"}
HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)  # what Django may find in a request
SQLITE = "django.db.backends.sqlite3"

NEW_KEY = "Make one: python -c 'import secrets; print(secrets.token_urlsafe(50))'. `make run` writes one into .env."


@register(Tags.security)
def check_environment(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """ops_platform.E001: every environment variable has a value that can be used."""
    return [
        Error(
            f"The environment variable {mistake.name} {mistake.wrong}.",
            hint=f"Correct or remove it, in the environment or in .env. docs/settings.md explains {mistake.name}.",
            id="ops_platform.E001",
        )
        for mistake in settings.ENVIRONMENT_MISTAKES
    ]


@register(Tags.security)
def check_secret_key(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """ops_platform.E002: SECRET_KEY is set. E003: it is hard to guess (not checked in debug mode)."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django raises it for an empty key
        return [Error("SECRET_KEY is not set.", hint=NEW_KEY, id="ops_platform.E002")]
    weak = len(key) < MIN_KEY_LENGTH or len(set(key)) < MIN_KEY_CHARACTERS or key.startswith("django-insecure-")
    if weak and not settings.DEBUG:
        return [
            Error(
                f"SECRET_KEY is easy to guess: it has fewer than {MIN_KEY_LENGTH} characters, fewer than "
                f"{MIN_KEY_CHARACTERS} different ones, or starts with 'django-insecure-'.",
                hint=NEW_KEY,
                id="ops_platform.E003",
            )
        ]
    return []


@register(Tags.security)
def check_hosts(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """ops_platform.E004: ALLOWED_HOSTS has host names only. E005: in debug mode it has local ones only."""
    hosts = set(settings.ALLOWED_HOSTS)
    if settings.DEBUG:
        if strangers := sorted(hosts - LOCAL_HOSTS):
            return [
                Error(
                    f"DEBUG is on, and ALLOWED_HOSTS has {strangers[0]!r}: its pages show everyone the configuration.",
                    hint="Set DEBUG=off wherever others can reach the platform.",
                    id="ops_platform.E005",
                )
            ]
        return []
    if not hosts:
        wrong = "ALLOWED_HOSTS is not set."
    elif "*" in hosts:
        wrong = "ALLOWED_HOSTS has '*', which accepts forged host names."
    elif strange := sorted(host for host in hosts if not HOST.fullmatch(host)):
        wrong = f"ALLOWED_HOSTS has {strange[0]!r}, which is no host name."
    else:
        return []
    hint = "Name the hosts that clients use, without scheme or port: ALLOWED_HOSTS=logs.example.com,localhost"
    return [Error(wrong, hint=hint, id="ops_platform.E004")]


@register(Tags.files)
def check_directories(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """ops_platform.E006: the directories of SQLite databases can be written."""
    folders = {
        Path(database["NAME"]).parent for database in settings.DATABASES.values() if database["ENGINE"] == SQLITE
    }
    return [
        Error(
            f"The SQLite database cannot be written: {folder} is not a directory that this user may write to.",
            hint="Make the directory, or name another place with VAR_DIR or DATABASE_URL.",
            id="ops_platform.E006",
        )
        for folder in sorted(folders)
        if not os.access(folder, os.W_OK | os.X_OK)
    ]
