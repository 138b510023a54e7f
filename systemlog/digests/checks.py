"""System checks of the digests: the key and the directory can be used, by the service's user alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from django.apps.config import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from systemlog.conf import NAME, conf
from systemlog.digests.keys import KeyUnusable, signer
from systemlog.digests.outside import OutsideUnusable, outside


@register(Tags.security)
def check_key(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E130: the key that signs digests can be used."""
    if not conf().DIGEST_KEY:
        return []
    try:
        signer()
    except KeyUnusable as error:
        hint = "Make a key with `manage.py create_digest_key FILE`, as the user of the service."
        return [Error(f"{NAME}['DIGEST_KEY']: {error}", hint=hint, id="systemlog.E130")]
    return []


@register(Tags.files)
def check_directory(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """systemlog.E131: the directory of the digests can be used. W130: its path is absolute."""
    if not conf().DIGEST_KEY:
        return []
    try:
        directory = outside().directory
    except OutsideUnusable as error:
        return [Error(str(error), hint="Name a directory outside the database's files.", id="systemlog.E131")]
    if not directory.is_absolute():
        return [
            CheckWarning(
                f"The directory of the digests, {directory}, is not an absolute path: commands that are started in "
                "another directory would not find the digests.",
                hint=f"Write an absolute path into {NAME}['DIGEST_DIR'].",
                id="systemlog.W130",
            )
        ]
    if not directory.exists():
        return []
    status = directory.stat()
    wrong = None
    if not stat.S_ISDIR(status.st_mode) or not os.access(directory, os.W_OK | os.X_OK):
        wrong = "is not a directory that this process can write to"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        wrong = "can be written to by other users"
    if wrong is None:
        return []
    hint = "Make it a directory that belongs to the service's user, with mode 0700."
    return [Error(f"The directory of the digests, {directory}, {wrong}.", hint=hint, id="systemlog.E131")]
