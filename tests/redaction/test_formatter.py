"""The redacting formatter for other log handlers."""

from __future__ import annotations

import json
import logging
import logging.config
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject

from systemlog.redaction import RedactingFormatter

SECRET = "hunter2hunter2"


def line_of(formatter: dict[str, Any], msg: object, *args: object, exc_info: Any = None, **extra: Any) -> str:
    """Return the line of a record from a formatter that is configured as in `LOGGING`."""
    given = {"()": "systemlog.redaction.RedactingFormatter", **formatter}
    configured = logging.config.DictConfigurator({"version": 1, "formatters": {"redacting": given}})
    made = configured.configure_formatter(configured.config["formatters"]["redacting"])
    record = logging.getLogger("shop").makeRecord(
        "shop",
        logging.ERROR,
        "f.py",
        1,
        msg,
        args,
        exc_info,
        extra=extra,
    )
    return made.format(record)


JSON = {"formatter": "pythonjsonlogger.json.JsonFormatter", "fmt": "{levelname}{message}", "style": "{"}


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ((f"login with password={SECRET}",), {}),
        (("login with %s", f"password={SECRET}"), {}),
        (("login with %(password)s", {"password": SECRET}), {}),
        (("login with %s", {"password": SECRET}), {}),
        (({"event": "login", "password": SECRET},), {}),
        (("login",), {"order": {"password": SECRET}}),
        (("login",), {"password": SECRET}),
        (("login",), {"body": json.dumps({"password": SECRET})}),
        (("login",), {"request": RequestFactory().get(f"/orders?token={SECRET}")}),
        (("login",), {"odd": object(), "headers": {"Authorization": f"Bearer {SECRET}"}}),
    ],
    ids=[
        *("message", "argument", "named argument", "argument with a name", "event"),
        *("nested", "extra", "JSON in a text", "live request", "beside an object"),
    ],
)
def test_a_secret_is_in_no_line(arguments: tuple[Any, ...], extra: dict[str, Any]) -> None:
    line = line_of(JSON, *arguments, **extra)

    assert SECRET not in line
    assert "[redacted]" in line
    assert "login" in json.loads(line).get("message", "") or json.loads(line)["event"] == "login"


def test_a_line_of_text_is_redacted_too() -> None:
    formatter = {"format": "{levelname} {message} {order} {password}", "style": "{"}

    assert line_of(formatter, "login", order={"password": SECRET, "number": 7}, password=SECRET) == (
        "ERROR login {'password': '[redacted]', 'number': 7} [redacted]"
    )


def test_a_traceback_is_redacted() -> None:
    error = ValueError(f"token={SECRET}")

    assert line_of({}, "failed", exc_info=(ValueError, error, None)) == "failed\nValueError: token=[redacted]"


def test_without_a_secret_a_line_is_the_other_formatters_to_the_letter() -> None:
    record = logging.makeLogRecord({"msg": "sold %s", "args": ("tea",), "levelname": "INFO", "order": {"number": 7}})
    line = RedactingFormatter("%(levelname)s %(message)s %(order)s").format(record)

    assert line == logging.Formatter("%(levelname)s %(message)s %(order)s").format(record)


def test_the_record_stays_as_it_is_for_other_handlers() -> None:
    order = {"password": SECRET}
    record = logging.makeLogRecord({"msg": "login %(password)s", "args": {"password": SECRET}, "order": order})

    RedactingFormatter().format(record)

    assert record.order is order
    assert record.getMessage() == f"login {SECRET}"


def test_a_number_that_is_a_secret_leaves_the_message_as_it_was_written() -> None:
    record = logging.makeLogRecord({"msg": "login with %(otp)d", "args": {"otp": 123456}})

    assert RedactingFormatter().format(record) == "login with %(otp)d"


def test_a_formatter_may_be_given_ready_made() -> None:
    record = logging.makeLogRecord({"msg": f"password={SECRET}"})

    assert RedactingFormatter(formatter=logging.Formatter("> %(message)s")).format(record) == "> password=[redacted]"


def test_what_is_no_formatter_is_refused() -> None:
    with pytest.raises(TypeError, match="no log formatter"):
        RedactingFormatter(formatter="builtins.dict")


def test_a_user_that_was_not_loaded_is_not_loaded() -> None:
    def load() -> User:
        raise AssertionError("the database was asked")

    record = logging.makeLogRecord(
        {"msg": "m", "who": SimpleLazyObject(load), "deep": [{"who": SimpleLazyObject(load)}]}
    )

    assert RedactingFormatter().format(record) == "m"


class Uncomparable:
    """A value that cannot be compared, as numpy's arrays cannot."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None


def test_a_value_that_cannot_be_compared_does_not_lose_the_line() -> None:
    record = logging.makeLogRecord({"msg": "m", "numbers": Uncomparable(), "password": SECRET, "token": Uncomparable()})

    assert RedactingFormatter("%(message)s %(password)s").format(record) == "m [redacted]"
