"""Tests of the private APIs of Django, drf-spectacular and logging on which the whole app depends."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from drf_spectacular.plumbing import ComponentRegistry

from systemlog.compat import (
    NOT_LOADED,
    choice_schema,
    connect,
    drop_unusable,
    existing_loggers,
    in_transaction,
    is_host_in,
    lazy_content,
    reference,
    settings_read_before,
    views_of,
    without_groups,
    zone_of,
)

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


def test_a_connection_knows_whether_it_is_inside_atomic(transactional_db: None) -> None:
    assert not in_transaction(connection)
    with transaction.atomic():
        assert in_transaction(connection)


def test_a_connection_that_an_error_made_unusable_is_closed(transactional_db: None) -> None:
    connect(connection)
    assert connection.connection is not None
    connection.errors_occurred = True
    connection.connection.close()
    connection.close_at = 0.0  # Django takes each connection to SQLite for usable until its CONN_MAX_AGE is over
    drop_unusable(connection)
    assert connection.connection is None


def test_times_of_a_database_without_zones_are_in_utc_by_default() -> None:
    assert zone_of(connection) in (UTC, None)  # None: the database has zones


def test_a_regular_expression_loses_its_groups_and_metacharacters() -> None:
    assert without_groups(r"^orders/(?P<pk>[^/.]+)/?$") == "orders/<pk>/"


def test_the_views_of_a_urlconf_are_listed_with_their_whole_routes() -> None:
    assert {"^docs/?$", r"system/^logs/?\Z"} <= {route for route, _ in views_of()}


@pytest.mark.parametrize(
    ("host", "patterns", "found"),
    [
        ("API.example.com", ["api.example.com"], True),
        ("a.b.c", [".b.c"], True),
        ("b", ["a"], False),
        ("b", ["*"], True),
    ],
)
def test_a_host_is_found_among_patterns(host: str, patterns: list[str], found: bool) -> None:
    assert is_host_in(host, patterns) is found


def test_a_choice_becomes_an_enumeration_with_a_mark() -> None:
    schema = choice_schema([("a", "A"), ("b", "B")])
    assert schema["enum"] == ["a", "b"]
    assert "x-spec-enum-id" in schema


def test_a_referenced_schema_is_a_component() -> None:
    registry = ComponentRegistry()
    assert reference(registry, "Thing", {"type": "object"}) == {"$ref": "#/components/schemas/Thing"}
    assert registry.build({})["schemas"]["Thing"] == {"type": "object"}
