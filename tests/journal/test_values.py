"""Values that JSON or a database does not take, and values that are too long or hold a secret."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import logging
import logging.handlers
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.functional import SimpleLazyObject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.journal import SystemLogHandler
from systemlog.storage import Row
from systemlog.testing import captured_records

Logger = logging.Logger
Records = list[Row]


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
    logger = logging.Logger(name if field == "category" else "shop", logging.DEBUG)  # noqa: LOG001  (outside logging's tree)
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
