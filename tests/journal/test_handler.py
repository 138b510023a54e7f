"""How a log record becomes a row: columns, forms, and that logging never fails."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import logging
import logging.handlers
import socket
import subprocess
import sys
import time
import uuid
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils.functional import SimpleLazyObject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.correlation import correlated
from systemlog.journal import SystemLogHandler, backends
from systemlog.recording import record
from systemlog.records.ids import instant_of
from systemlog.storage import Row
from systemlog.testing import captured_records

Logger = logging.Logger
Records = list[Row]


# -- columns


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (1, "DEBUG"),
        (5, "DEBUG"),
        (logging.DEBUG, "DEBUG"),
        (15, "DEBUG"),
        (logging.INFO, "INFO"),
        (25, "INFO"),
        (logging.WARNING, "WARNING"),
        (logging.ERROR, "ERROR"),
        (logging.CRITICAL, "CRITICAL"),
        (70, "CRITICAL"),
    ],
)
def test_a_level_between_two_is_the_lower(logger: Logger, records: Records, severity: int, level: str) -> None:
    logger.setLevel(1)
    logger.log(severity, "so grave")
    assert records[0].level == level


def test_the_category_is_the_loggers_name(logger: Logger, records: Records) -> None:
    logger.info("x")
    assert records[0].category == "tests.journal"


def test_arguments_are_put_into_the_message(logger: Logger, records: Records) -> None:
    logger.info("%s of %d\tand\nmore\\", "ä", 3)
    assert records[0].message == "ä of 3\tand\nmore\\"


def test_extra_goes_into_the_context(logger: Logger, records: Records) -> None:
    logger.info("x", extra={"order": 7, "lines": [{"sku": "a\\b"}]})
    assert records[0].context == {"order": 7, "lines": [{"sku": "a\\b"}]}


def test_extra_with_a_columns_name_goes_there(logger: Logger, records: Records) -> None:
    with correlated("outer"):
        logger.info("x", extra={"correlation_id": "own", "user_id": 7, "trace_id": "t", "subject": "shop.order:1"})
    record = records[0]
    assert (record.correlation_id, record.user_id, record.trace_id, record.subject) == ("own", "7", "t", "shop.order:1")
    assert record.context == {}


def test_a_model_instance_becomes_its_label_and_key(logger: Logger, records: Records) -> None:
    logger.info("x", extra={"subject": User(pk=5), "who": User(pk=6)})
    assert records[0].subject == "auth.user:5"
    assert records[0].context == {"who": "auth.user:6"}


def test_the_correlation_is_the_running_codes(logger: Logger, records: Records) -> None:
    logger.info("outside")
    with correlated("req-1", traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        logger.info("inside")
    assert [record.correlation_id for record in records] == [None, "req-1"]
    assert records[1].trace_id == "0af7651916cd43dd8448eb211c80319c"


def test_a_record_about_a_request_that_is_over_has_its_id_and_no_query_string(logger: Logger, records: Records) -> None:
    request = SimpleNamespace(correlation_id="req-2", method="GET", path="/orders/", GET={"token": "s3cret"})
    logger.warning("Not Found", extra={"request": request, "status_code": 404})
    assert records[0].correlation_id == "req-2"
    assert records[0].context == {"request": "GET /orders/", "status_code": 404}


def test_a_traceback_stands_in_the_context_and_exc_text_is_left_alone(logger: Logger, records: Records) -> None:
    taken: list[logging.LogRecord] = []
    last = logging.Handler()
    last.emit = taken.append
    logger.addHandler(last)
    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed")
    finally:
        logger.removeHandler(last)
    assert records[0].context["exception"].endswith("ValueError: no such order")
    assert taken[0].exc_text is None


def test_the_stack_stands_in_the_context(logger: Logger, records: Records) -> None:
    logger.info("where", stack_info=True)
    assert "test_the_stack_stands_in_the_context" in records[0].context["stack"]


def test_timestamps_rise_and_ids_with_them(logger: Logger, records: Records) -> None:
    for number in range(200):
        logger.info("%d", number)
    assert [record.timestamp for record in records] == sorted({record.timestamp for record in records})
    assert [record.id for record in records] == sorted({record.id for record in records})


def test_a_handlers_filter_decides(logger: Logger, records: Records) -> None:
    handler = logger.handlers[0]
    handler.addFilter(lambda record: record.getMessage() != "no")
    logger.info("no")
    logger.info("yes")
    assert [record.message for record in records] == ["yes"]


# -- what JSON or a database does not take


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


CYCLE: list[Any] = [1]
CYCLE.append(CYCLE)
DEEP: Any = "bottom"
for _ in range(400):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("\ud800 and \x00", "\ufffd and \ufffd"),
        (2**70, 2**70),
        (10**2000, f"<an integer of {(10**2000).bit_length()} bits>"),
        (float("nan"), None),
        (float("inf"), None),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "[1, 2]": "c"}),
        ({"k\x00": 1}, {"k\ufffd": 1}),
        (CYCLE, [1, "<contains itself>"]),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (Colour.RED, "red"),
        (Point(3), {"x": 3}),
        ({3}, [3]),
        (deque([1]), "deque([1])"),
        (b"ab\xff", "ab\ufffd"),
        (Broken(), "<Broken>"),
        (Path("/etc"), "/etc"),
        ("\\u0000 in words", "\\u0000 in words"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_stored_becomes_the_nearest_that_can(
    logger: Logger, records: Records, value: object, stored: object
) -> None:
    logger.info("x", extra={"value": value})
    assert records[0].context == {"value": stored}


def test_what_is_nested_too_deep_is_cut_there(logger: Logger, records: Records) -> None:
    logger.info("x", extra={"value": DEEP})
    assert "nested deeper" in json.dumps(records[0].context)


def test_a_user_that_was_not_loaded_is_not_loaded(logger: Logger, records: Records) -> None:
    def load() -> User:
        raise AssertionError("the database was asked")

    logger.info("x", extra={"who": SimpleLazyObject(load), "all": User.objects.all()})
    assert records[0].context == {"who": "<SimpleLazyObject>", "all": "<QuerySet>"}


@pytest.mark.parametrize("arguments", [("one too many",), (Broken(),)], ids=["count", "text"])
def test_a_message_that_cannot_be_made_keeps_its_format(
    logger: Logger, records: Records, arguments: tuple[object, ...]
) -> None:
    logger.info("%d orders", *arguments)
    assert records[0].message == "%d orders"
    assert records[0].context["format_error"] in ("TypeError", "RuntimeError")


def test_a_message_that_is_no_string_becomes_one(logger: Logger, records: Records) -> None:
    logger.info(ValueError("broken"))
    logger.info(Broken())
    assert [record.message for record in records] == ["broken", "<Broken>"]


def test_a_long_message_is_cut_and_says_so(logger: Logger, records: Records) -> None:
    logger.info("ü" * 100_000)
    assert records[0].message.startswith("ü" * 32_000)
    assert records[0].message.endswith("bytes cut]")
    assert len(records[0].message.encode()) < 66_000


@pytest.mark.parametrize(
    "context",
    [{"text": "x" * 200_000}, {f"key{n}": "y" * 200 for n in range(2000)}, {"rows": list(range(100_000))}],
    ids=["a text", "many keys", "a list"],
)
def test_a_large_context_is_cut_and_stays_json(logger: Logger, records: Records, context: dict[str, object]) -> None:
    logger.info("x", extra=context)
    assert 0 < len(json.dumps(records[0].context)) < 100_000


def test_long_texts_of_columns_are_cut(logger: Logger, records: Records) -> None:
    logger.info("x", extra={"user_id": "u" * 500, "subject": "s\t\\" * 500})
    assert (len(records[0].user_id or ""), len(records[0].subject or "")) == (200, 200)


@pytest.mark.parametrize("at", [0, 480, 490, 500, 510, 1000, 3990, 60_000])
def test_of_a_secret_that_a_cut_goes_through_nothing_stays(logger: Logger, records: Records, at: int) -> None:
    token = ".".join(("eyJ" + "hbGci" * 9, "eyJ" + "zdWIi" * 9, "c2lnbm" * 9))
    block = "-" * 5 + "BEGIN PRIVATE KEY" + "-" * 5 + "\nMIIEvQ" * 40 + "\n" + "-" * 5 + "END PRIVATE KEY" + "-" * 5
    for secret in (token, block, 'password="' + "hunter2" * 40 + '"'):
        text = "x " * (at // 2) + secret + " y" * 40_000
        logger.info(text, extra={"body": text, "stack": text, "many": [text, text]})

    for row in records:
        stored = row.message + json.dumps(row.context)
        assert not any(part in stored for part in ("eyJ", "hbGci", "zdWIi", "c2lnbm", "MIIEvQ", "hunter2"))


@pytest.mark.parametrize("field", ["subject", "user_id", "category"])
def test_an_issued_token_does_not_stay_in_a_name(records: Records, field: str) -> None:
    token = "gh" + "p_" + "A1b2" * 9
    name = f"user {token} of x"
    logger = logging.Logger(name if field == "category" else "shop", logging.DEBUG)  # noqa: LOG001
    logger.addHandler(SystemLogHandler())
    for text in (name, "y " * 90 + token):  # the second is cut within the token
        logger.info("x", extra={} if field == "category" else {field: text})

    assert getattr(records[0], field) == "user [redacted] of x"
    assert "gh" + "p_" not in str(getattr(records[1], field))


@pytest.mark.parametrize("name", ["password: secret", "orders.order:4111111111111111", "token=abc", "auth.token:7"])
def test_other_names_stay_as_they_are(logger: Logger, records: Records, name: str) -> None:
    logger.info("x", extra={"subject": name})
    assert records[0].subject == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.text(), extra=st.dictionaries(st.text(min_size=1).map(lambda name: f"x{name}"), JSON, max_size=4))
def test_whatever_is_logged_becomes_one_record(logger: Logger, message: str, extra: dict[str, Any]) -> None:
    with captured_records() as records:
        logger.info("%s", message, extra=extra)
    (record,) = records
    assert record.message.isascii() or "\ud800" not in record.message
    json.dumps(record.context, allow_nan=False).encode()


# -- secrets


@pytest.mark.parametrize(
    ("message", "arguments", "extra"),
    [
        ("password=hunter22", (), {}),
        ("login %s", ("password=hunter22",), {}),
        ("login %(password)s", ({"password": "hunter22"},), {}),
        ("x", (), {"password": "hunter22"}),
        ("x", (), {"request_headers": {"Authorization": "Bearer hunter22abcdef"}}),
        ("x", (), {"body": '{"password": "hunter22"}'}),
        ("x", (), {"url": "https://me:hunter22@example.org/"}),
        ("x", (), {"many": 2**70, "token": "hunter22"}),
    ],
)
def test_secrets_are_redacted(
    logger: Logger, records: Records, message: str, arguments: tuple[Any, ...], extra: dict[str, object]
) -> None:
    logger.info(message, *arguments, extra=extra)
    stored = json.dumps([records[0].message, records[0].context])
    assert "hunter22" not in stored
    assert "[redacted]" in stored
    assert extra.get("many") == records[0].context.get("many")


def test_a_secret_in_a_traceback_is_redacted(logger: Logger, records: Records) -> None:
    try:
        raise ValueError("token=hunter22hunter22")
    except ValueError:
        logger.exception("failed")
    assert "hunter22" not in records[0].context["exception"]


# -- never in the way


@pytest.mark.parametrize("place", ["argument", "message", "extra", "exception", "subject"])
def test_logging_within_logging_ends(logger: Logger, records: Records, place: str) -> None:
    (handler,) = logger.handlers

    class Chatty(Exception):
        def __str__(self) -> str:
            log(self)
            return "me"

    def log(what: Chatty) -> None:
        # Past the logger, since pytest's own handler would follow it without an end.
        given = {
            "argument": {"msg": "%s", "args": (what,)},
            "message": {"msg": what},
            "extra": {"msg": "me", "what": what},
            "exception": {"msg": "me", "exc_info": (Chatty, what, None)},
            "subject": {"msg": "me", "subject": what},
        }
        handler.handle(logging.makeLogRecord({"name": "x", "levelno": 20} | given[place]))

    log(Chatty())
    assert [record.message for record in records] == ["me"] * 3
    log(Chatty())
    assert len(records) == 6, "the thread is free again"


def test_a_sink_that_fails_is_reported_on_stderr_alone(
    logger: Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        def append(self, line: bytes) -> bool:
            raise RuntimeError("s3cret")

        def append_many(self, lines: Any) -> int:
            return 0

        def close(self) -> None:
            pass

    monkeypatch.setattr("systemlog.journal.stderr._last_line_at", float("-inf"))
    before = backends.replace(Failing())
    try:
        logger.info("one")
        logger.info("two")
    finally:
        backends.replace(before)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "RuntimeError" in told
    assert "s3cret" not in told


def test_the_handler_imports_no_model() -> None:
    code = (
        "import sys; from systemlog.journal import SystemLogHandler; "
        "print([name for name in sys.modules if name in ('systemlog.models', 'django.db.models.base')])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "systemlog.models" not in done.stdout


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


def test_a_formatter_of_another_handler_does_not_change_the_traceback(logger: Logger, records: Records) -> None:
    first = logging.Handler()
    first.emit = lambda record: setattr(record, "exc_text", "one line")
    logger.handlers.insert(0, first)

    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed")

    assert records[0].context["exception"].startswith("Traceback (most recent call last):")
    assert records[0].context["exception"].endswith("ValueError: no such order")


def test_a_large_text_does_not_cut_the_traceback_beside_it(logger: Logger, records: Records) -> None:
    try:
        raise ValueError("no such order " + "é" * 3000)
    except ValueError:
        logger.exception("failed", extra={"payload": "b" + "p" * 70_000 + "e"})

    context = records[0].context
    assert context["exception"].startswith("Traceback (most recent call last):")
    assert context["exception"].endswith("ValueError: no such order " + "é" * 3000)
    assert context["payload"].startswith("bp")
    assert context["payload"].endswith("pe")
    assert "characters cut" in context["payload"]


def test_a_large_traceback_keeps_its_beginning_and_its_longer_end(logger: Logger, records: Records) -> None:
    def descend(depth: int) -> None:
        if not depth:
            raise ValueError("at the bottom " + "m" * 500)
        (descend if depth % 2 else again)(depth - 1)

    def again(depth: int) -> None:
        descend(depth - 1) if depth else descend(0)

    try:
        descend(800)
    except ValueError:
        logger.exception("failed")

    exception = records[0].context["exception"]
    beginning, _, end = exception.partition("characters cut")
    assert beginning.startswith("Traceback (most recent call last):")
    assert end.endswith("ValueError: at the bottom " + "m" * 500)
    assert len(end) > len(beginning) > 1000


def test_an_exception_with_a_huge_text_keeps_its_type(logger: Logger, records: Records) -> None:
    try:
        raise ValueError("x" * 70_000 + "last words")
    except ValueError:
        logger.exception("failed")

    assert "ValueError: xxx" in records[0].context["exception"]
    assert records[0].context["exception"].endswith("last words")


class BrokenNotes(Exception):
    @property
    def __notes__(self) -> list[str]:
        raise RuntimeError("no notes")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(BrokenNotes("x"), id="notes that raise"),
        pytest.param(SyntaxError("bad", ("p.html", 1, 1, b"{{ x")), id="a syntax error with bytes"),
    ],
)
def test_an_exception_that_cannot_be_formatted_is_recorded_by_its_class(
    logger: Logger, records: Records, error: Exception
) -> None:
    try:
        raise error
    except Exception:
        logger.exception("failed")

    assert records[0].message == "failed"
    assert type(error).__qualname__ in records[0].context["exception"]


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


@pytest.mark.parametrize(("texts", "length"), [(40, 2000), (150, 600), (500, 40_000)])
def test_a_traceback_is_kept_beside_any_number_of_texts(
    logger: Logger, records: Records, texts: int, length: int
) -> None:
    try:
        raise ValueError("no such order")
    except ValueError:
        logger.exception("failed", extra={f"field_{number}": "x" * length for number in range(texts)})

    assert records[0].context["exception"].startswith("Traceback (most recent call last):")
    assert records[0].context["exception"].endswith("ValueError: no such order")


# -- time


def logged_at(created: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "x", "levelno": 20, "msg": "m", "created": created})


@pytest.mark.parametrize("ago", [0.11, 3600, 400 * 86_400, -3600], ids=str)
def test_a_record_that_was_held_back_is_of_the_instant_when_it_was_logged(
    logger: Logger, records: Records, ago: float
) -> None:
    created = datetime.datetime.fromtimestamp(round(time.time() - ago, 6), datetime.UTC)

    logger.handle(logged_at(created.timestamp()))

    assert records[0].timestamp == created
    assert instant_of(records[0].id) == created


def test_a_record_that_comes_at_once_is_of_the_processs_clock(logger: Logger, records: Records) -> None:
    logger.info("first")
    logger.handle(logged_at(time.time() - 0.05))

    assert records[0].timestamp < records[1].timestamp


def test_records_that_were_held_back_together_keep_their_order(logger: Logger, records: Records) -> None:
    created = time.time() - 60
    for _ in range(100):
        logger.handle(logged_at(created))

    keys = [(each.timestamp, each.id) for each in records]
    assert keys == sorted(set(keys))


def test_a_memory_handler_does_not_change_when_a_record_was_logged(logger: Logger, records: Records) -> None:
    target = logger.handlers[0]
    holding = logging.handlers.MemoryHandler(10, target=target)
    logger.handlers = [holding]
    held = logged_at(time.time() - 5)
    logger.handle(held)
    holding.flush()
    holding.close()

    assert abs(records[0].timestamp.timestamp() - held.created) < 0.000_01


@pytest.mark.parametrize("created", [float("nan"), float("inf"), -1.0, 0, 1e18, 10**400, "yesterday", None], ids=repr)
def test_a_record_without_a_time_of_creation_gets_the_current_time(
    logger: Logger, records: Records, created: object
) -> None:
    before = datetime.datetime.now(datetime.UTC)

    logger.handle(logged_at(created))

    assert before <= records[0].timestamp <= datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)


def test_the_time_of_creation_may_be_an_integer(logger: Logger, records: Records) -> None:
    logger.handle(logged_at(1_700_000_000))

    assert records[0].timestamp.timestamp() == 1_700_000_000


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
