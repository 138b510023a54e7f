"""`SYSTEMLOG`, read without leaving a trace in the project's settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import health.settings_dict
import systemlog.settings_dict

BARE_PROJECT = """
from django.conf import settings
settings.configure()
from systemlog.conf import conf
assert conf().JOURNAL == "files"
assert not hasattr(settings, "SYSTEMLOG"), "reading has set it"
"""


def test_reading_sets_nothing_in_a_project_that_has_no_such_setting() -> None:
    subprocess.run([sys.executable, "-c", BARE_PROJECT], check=True)


def test_both_apps_read_their_settings_with_the_same_code() -> None:
    copies = [Path(module.__file__ or "").read_text() for module in (systemlog.settings_dict, health.settings_dict)]
    assert copies[0] == copies[1]
