"""Records whose attributes other code has set: record factories, subclasses of LogRecord, Django and its servers."""

from __future__ import annotations

import logging
import logging.handlers
import socket
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils.functional import SimpleLazyObject

from systemlog.recording import record
from systemlog.storage import Row

Logger = logging.Logger
Records = list[Row]


def test_what_a_record_factory_adds_goes_into_the_context_whenever_it_was_set() -> None:
    code = """
import logging
import logging.handlers
import socket
made = logging.getLogRecordFactory()
def with_tenant(*args, **kwargs):
    record = made(*args, **kwargs)
    record.tenant = "t"
    return record
logging.setLogRecordFactory(with_tenant)
import django
django.setup()
from systemlog.testing import captured_records
with captured_records() as records:
    logging.getLogger("app").warning("m", extra={"more": 1})
print(records[0].context)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.endswith("{'tenant': 't', 'more': 1}\n")


class Raising:
    """An object that fails at everything."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __bool__ = __str__


@pytest.mark.parametrize("name", ["subject", "user_id", "correlation_id", "trace_id", "request", "response"])
@pytest.mark.parametrize("value", [Raising(), SimpleLazyObject(Raising), User.objects.all(), User, 5, b"\0", "\ud800"])
def test_any_value_of_a_column_is_accepted_without_a_query(
    logger: Logger, records: Records, name: str, value: object
) -> None:
    logger.info("x", extra={name: value})
    assert [record.message for record in records] == ["x"]


def test_a_subject_of_which_nothing_is_to_be_learned_is_recorded(records: Records) -> None:
    assert record("order.paid", subject=Raising(), user=SimpleLazyObject(Raising), x=Raising())
    assert record("order.paid", subject=User.objects.all())
    assert [each.category for each in records] == ["order.paid"] * 2


def test_the_name_of_a_logger_that_is_no_string_becomes_one(logger: Logger, records: Records) -> None:
    logger.handle(logging.makeLogRecord({"name": ["odd"], "levelno": 20, "msg": "x"}))
    assert records[0].category == "['odd']"


def test_a_level_that_is_no_integer_is_reported(logger: Logger, records: Records) -> None:
    logger.handle(logging.makeLogRecord({"name": "x", "levelno": 20.0, "msg": "x"}))
    assert [each.level for each in records] == ["INFO"]


def test_fields_named_like_djangos_live_objects_are_kept(logger: Logger, records: Records) -> None:
    extra = {"request": {"order": 7}, "response": "502 from upstream", "server_time": "now"}

    logger.info("m", extra=extra)

    assert records[0].context == extra


def test_a_response_becomes_its_status(logger: Logger, records: Records) -> None:
    logger.info("m", extra={"response": HttpResponse("secret page", status=502)})

    assert records[0].context == {"response": "502 Bad Gateway"}


def test_what_a_subclass_sets_before_logging_does_is_kept(logger: Logger, records: Records) -> None:
    class Tagged(logging.LogRecord):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.tenant = "acme"
            super().__init__(*args, **kwargs)

    logger.handle(Tagged("n", logging.INFO, "f.py", 1, "m", (), None))

    assert records[0].context == {"tenant": "acme"}


class Named(logging.LogRecord):
    """A record that sets attributes before logging's own, and one of logging's own first."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.name = name
        self.tenant = "acme"
        self.shard = 3
        super().__init__(name, *args, **kwargs)


class Stripped(logging.LogRecord):
    """A record that removes an attribute of logging's, and sets one of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.processName
        self.tenant, self.shard = "acme", 3


@pytest.mark.parametrize("kind", [Named, Stripped])
def test_what_a_subclass_sets_is_kept_wherever_it_stands(
    logger: Logger, records: Records, kind: type[logging.LogRecord]
) -> None:
    logger.handle(kind("n", logging.INFO, "f.py", 1, "m", (), None))

    assert records[0].context == {"tenant": "acme", "shard": 3}


def test_the_socket_that_the_development_server_puts_on_a_record_is_not_stored(
    logger: Logger, records: Records
) -> None:
    with socket.socket() as one:
        logger.info("GET / 200", extra={"request": one, "server_time": "now"})

    assert records[0].context == {"server_time": "now"}
