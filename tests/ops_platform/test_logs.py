import json
import logging
import logging.config
import socket

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from ops_platform import logs


@pytest.fixture
def line_of():
    """Formats a record, made of the keyword arguments that a logger's method takes, and reads the line."""

    def line_of(message, *arguments, level=logging.INFO, exc_info=None, **extra):
        record = logging.getLogger("shop").makeRecord(
            "shop", level, __file__, 1, message, arguments, exc_info, extra=extra
        )
        text = logs.JsonLines().format(record)
        assert "\n" not in text
        return json.loads(text)

    return line_of


def test_a_line_begins_with_its_instant_and_has_level_logger_and_message(line_of):
    line = line_of("sold %s", "tea", level=logging.WARNING)
    assert next(iter(line)) == "timestamp"
    assert line["timestamp"].endswith("+00:00")
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "shop", "sold tea")


def test_what_extra_holds_is_in_the_line(line_of):
    assert line_of("sold", order=7, item={"name": "tea"})["item"] == {"name": "tea"}


@pytest.mark.parametrize("name", ["level", "logger", "timestamp"])
def test_extra_cannot_pass_itself_off_as_our_own_members(line_of, name):
    assert line_of("sold", **{name: "forged"})[name] != "forged"


def test_a_traceback_is_in_the_line(line_of):
    with pytest.raises(ValueError, match="boom") as caught:
        raise ValueError("boom")
    assert "ValueError: boom" in line_of("failed", exc_info=caught._excinfo)["exc_info"]


def test_the_request_of_a_record_is_named_without_its_query_string(line_of):
    line = line_of("refused", request=RequestFactory().get("/orders?token=hunter2"))
    assert line["request"] == "GET /orders"
    assert "hunter2" not in json.dumps(line)


def cycle():
    value = []
    value.append(value)
    return value


def depth():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


class Broken:
    def __repr__(self):
        raise RuntimeError


STRANGE = {
    "cycle": cycle(),
    "odd keys": {(1, 2): 3},
    "surrogate": "\ud800",
    "NUL": "\0",
    "line break": "a\nb",
    "big integer": 2**5000,
    "bytes": b"\xff",
    "set": {1},
    "object": object(),
    "broken repr": Broken(),
    "broken repr, nested": [Broken()],
    "depth": depth(),
}


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_no_record_is_lost_because_of_what_it_holds(line_of, value):
    assert line_of("kept", value=value)["message"] == "kept"


@pytest.mark.parametrize(("debug", "formatter"), [(False, "json"), (True, "json")])
def test_what_is_no_terminal_gets_json(debug, formatter):
    assert logs.configuration(level="INFO", debug=debug)["handlers"]["stdout"]["formatter"] == formatter


def test_a_developers_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert logs.configuration(level="INFO", debug=True)["handlers"]["stdout"]["formatter"] == "plain"


def test_a_secret_is_in_no_line(line_of):
    line = line_of("sold with password=hunter2hunter2", order={"password": "hunter2hunter2", "number": 7})
    assert "hunter2" not in json.dumps(line)
    assert line["order"] == {"password": "[redacted]", "number": 7}


@pytest.mark.parametrize(("level", "root"), [("ERROR", "INFO"), ("INFO", "INFO"), ("DEBUG", "DEBUG")])
def test_the_level_of_stdout_does_not_keep_records_from_the_log(level, root):
    configured = logs.configuration(level=level, debug=False)
    assert (configured["handlers"]["stdout"]["level"], configured["root"]["level"]) == (level, root)


def test_fields_named_like_djangos_live_objects_are_in_the_line(line_of):
    extra = {"request": {"order": 7}, "response": "502 from upstream", "server_time": "now"}
    assert extra.items() <= line_of("sold", **extra).items()


def test_a_live_response_is_told_by_its_status(line_of):
    assert line_of("refused", response=HttpResponse("a page", status=502))["response"] == "502 Bad Gateway"


def test_the_socket_that_the_development_server_puts_there_is_not_in_the_line(line_of):
    with socket.socket() as one:
        assert "request" not in line_of("GET /", request=one)


def test_an_argument_whose_name_tells_that_it_is_a_secret_is_redacted(line_of):
    assert line_of("login %(password)s", {"password": "hunter2"})["message"] == "login [redacted]"


def test_a_developers_terminal_shows_no_secret_either(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    configured = logging.config.DictConfigurator(logs.configuration(level="INFO", debug=True))
    formatter = configured.configure_formatter(configured.config["formatters"]["plain"])
    record = logging.makeLogRecord({"msg": "password=hunter2hunter2", "correlation_id": "req-7"})
    assert formatter.format(record).endswith("  password=[redacted]  [req-7]")
