"""`SYSTEMLOG`, read without leaving a trace in the project's settings."""

from __future__ import annotations

import subprocess
import sys

BARE_PROJECT = """
from django.conf import settings
settings.configure()
from systemlog.conf import conf
assert conf().JOURNAL == "files"
assert not hasattr(settings, "SYSTEMLOG"), "reading has set it"
"""


def test_reading_sets_nothing_in_a_project_that_has_no_such_setting() -> None:
    subprocess.run([sys.executable, "-c", BARE_PROJECT], check=True)
