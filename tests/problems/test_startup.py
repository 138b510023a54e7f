"""The state of the process after `django.setup()`, before the first request."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "systemlog"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DATABASE_ROUTERS=["systemlog.router.SystemLogRouter"],
    REST_FRAMEWORK={"DEFAULT_CONTENT_NEGOTIATION_CLASS": "systemlog.problems.ContentNegotiation"},
    SYSTEMLOG={"JOURNAL": "memory"},
)
django.setup()
before = set(sys.modules)
from django.test import RequestFactory
from systemlog.problems import exception_handler
response = exception_handler(ValueError(), {"request": RequestFactory().get("/"), "view": None})
assert response.status_code == 500
print(sorted(name for name in set(sys.modules) - before if name.startswith(("systemlog", "drf_", "rest_framework"))))
"""


def test_the_first_error_imports_nothing() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"
