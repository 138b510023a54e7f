"""What the app takes from other packages without a promise of theirs."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from systemlog.compat import NOT_LOADED, existing_loggers, lazy_content, settings_read_before

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


WITH_MAIL = """
from django.conf import settings
settings.configure(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend")
from django.core import mail
mail.send_mail("subject", "text", "a@example.com", ["b@example.com"])
from systemlog.compat import in_tests
assert mail.outbox and not in_tests()
from django.test.utils import setup_test_environment, teardown_test_environment
assert not in_tests()
setup_test_environment()
assert in_tests()
teardown_test_environment()
assert not in_tests()
"""


def test_a_mail_kept_in_memory_is_no_sign_of_tests() -> None:
    subprocess.run([sys.executable, "-c", WITH_MAIL], check=True)


def test_an_extension_can_ask_for_the_schema_of_a_serializers_fields() -> None:
    from drf_spectacular.generators import SchemaGenerator

    document = SchemaGenerator().get_schema(request=None, public=True)
    key = document["components"]["schemas"]["RecordKey"]
    assert set(key["properties"]) == {"id", "timestamp"}
    assert key["additionalProperties"] is False


def test_what_django_read_of_the_settings_is_there_until_it_changes() -> None:
    before = settings_read_before()
    with override_settings(SYSTEMLOG={"SOURCE": "one"}):
        assert settings.SYSTEMLOG == settings_read_before()["SYSTEMLOG"] == {"SOURCE": "one"}
    with override_settings(SYSTEMLOG={"SOURCE": "two"}):
        assert settings_read_before().get("SYSTEMLOG") in (None, {"SOURCE": "two"})
    assert settings_read_before() is before


def test_every_logger_that_exists_is_listed() -> None:
    loggers = [logging.getLogger(f"tests.compat.parent.{name}") for name in ("one", "two")]
    assert {logging.root, *loggers} <= set(existing_loggers())
    assert "tests.compat.parent" not in {each.name for each in existing_loggers()}


def test_a_lazy_object_gives_its_content_only_when_it_is_loaded() -> None:
    lazy = SimpleLazyObject(lambda: {"loaded": True})
    assert lazy_content(lazy) is NOT_LOADED
    assert lazy["loaded"]
    assert lazy_content(lazy) == {"loaded": True}
    assert lazy_content("any other") == "any other"
