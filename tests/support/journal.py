"""Helpers for tests of the journal on disk."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.journal.reading import messages_in


def in_a_process(folder: Path, code: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run code in a separate process, whose `logger` writes to the journal in `folder`."""
    prologue = f"""
        import logging, os, signal, sys
        from django.conf import settings
        settings.configure(
            DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "none"}}}}, USE_TZ=True,
            SYSTEMLOG={{"JOURNAL_DIR": {str(folder)!r}, **{more!r}}},
        )
        from systemlog.journal import SystemLogHandler, backends
        logger = logging.getLogger("app"); logger.addHandler(SystemLogHandler()); logger.setLevel("DEBUG")
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prologue) + textwrap.dedent(code)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def all_messages(folder: Path) -> list[str]:
    """Return the messages in the journals of all targets below a folder."""
    return [message for target in sorted(folder.iterdir()) for message in messages_in(target)]
