"""What the app takes from other packages without a promise of theirs."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROJECT = """
import sys
{prelude}
import django
from django.conf import settings
settings.configure(
    DATABASES={{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": "none"}}}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "systemlog"],
    DATABASE_ROUTERS=["systemlog.router.SystemLogRouter"],
    SYSTEMLOG={{"JOURNAL": "memory"}},
    USE_TZ=True,
)
django.setup()
from django.core import checks
for message in checks.run_checks(tags=[checks.Tags.compatibility]):
    if message.id == "systemlog.E007":
        print(message.id, message.hint)
"""


@pytest.mark.parametrize(
    ("prelude", "complaints"),
    [
        pytest.param("", 0, id="psycopg 3"),
        pytest.param("sys.modules['psycopg'] = None", 1, id="psycopg2 alone"),
    ],
)
def test_the_driver_of_postgresql_is_psycopg3_or_named(prelude: str, complaints: int) -> None:
    code = PROJECT.format(prelude=prelude)
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.count("systemlog.E007") == complaints
