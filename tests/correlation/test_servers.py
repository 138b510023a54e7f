"""The correlation under real servers: gunicorn (WSGI) and uvicorn (ASGI)."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.correlation import DEADLINE_S, UUID, raw
from tests.support.servers import Server

pytestmark = pytest.mark.e2e

POLL_S = 0.02

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A client for the server."""
    with server.client() as client:
        yield client


@pytest.fixture
def lines(server: Server) -> Callable[[str, str], list[dict[str, Any]]]:
    """Wait for log lines of a logger with this id, and return them."""

    def read(log: Path) -> Iterator[dict[str, Any]]:
        for line in log.read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)

    def lines(logger: str, correlation_id: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            found = [
                line for line in read(server.log) if line["name"] == logger and line["correlation_id"] == correlation_id
            ]
            if found:
                return found
            select_nothing(POLL_S)
        raise AssertionError(f"{logger} logged nothing of {correlation_id}:\n{server.log.read_text()}")

    return lines


def select_nothing(seconds: float) -> None:
    """Wait for a condition of another process, which cannot set an event here."""
    import select

    select.select([], [], [], seconds)


def ids_in(response: bytes) -> list[str]:
    head = response.partition(b"\r\n\r\n")[0].decode("latin-1")
    return re.findall(r"(?im)^x-request-id: *(.*?)\r?$", head)


@pytest.mark.parametrize(
    ("path", "status", "logger"),
    [
        ("/seen", 200, "site"),
        ("/async-seen", 200, "site"),
        ("/nowhere", 404, "django.request"),
        ("/refuses", 403, "django.request"),
        ("/suspects", 400, "django.security.SuspiciousOperation"),
        ("/fails", 500, "django.request"),
        ("/async-fails", 500, "django.request"),
    ],
)
def test_the_id_is_in_the_response_and_the_log(
    http: httpx.Client, lines: Callable[..., list[dict[str, Any]]], path: str, status: int, logger: str
) -> None:
    given = f"id-of{path}"
    response = http.get(path, headers={"X-Request-ID": given})

    assert response.status_code == status
    assert response.headers.get_list("X-Request-ID") == [given]
    assert len(lines(logger, given)) == 1
    [record] = lines("systemlog.access", given)
    assert (record["status"], record["completed"], record["id_from_client"]) == (status, True, True)


def test_a_disallowed_host_is_answered_and_logged_with_the_id(
    http: httpx.Client, lines: Callable[..., list[dict[str, Any]]]
) -> None:
    response = http.get("/seen/", headers={"X-Request-ID": "disallowed", "Host": "evil.test"})

    assert response.status_code == 400
    assert response.headers.get_list("X-Request-ID") == ["disallowed"]
    assert lines("django.security.DisallowedHost", "disallowed")


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/through-threads", {"sync_to_async": "given", "any_thread": "given", "to_thread": "given"}),
        ("/through-a-pool", {"carried": ["given", "given"], "bare": None}),
        ("/nests", {"inner": "the-inner-one", "outer": "given"}),
        ("/async-nests", {"inner": "the-inner-one", "outer": "given"}),
    ],
)
def test_the_id_goes_where_the_work_goes(http: httpx.Client, path: str, seen: dict[str, object]) -> None:
    response = http.get(path, headers={"X-Request-ID": "given"})

    assert response.json() == seen
    assert response.headers.get_list("X-Request-ID") == ["given"]


def test_a_header_that_the_view_has_set_is_replaced(http: httpx.Client) -> None:
    response = http.get("/sets-the-header", headers={"X-Request-ID": "given"})

    assert response.headers.get_list("X-Request-ID") == ["given"]


@pytest.mark.parametrize("server", ["uvicorn"], indirect=True)
def test_a_task_that_outlives_its_response_logs_with_its_id(
    http: httpx.Client, lines: Callable[..., list[dict[str, Any]]]
) -> None:
    http.get("/leaves-a-task", params={"name": "late"}, headers={"X-Request-ID": "left-a-task"})
    http.get("/releases-a-task", params={"name": "late"}, headers={"X-Request-ID": "released-it"})

    assert [line["message"] for line in lines("site", "left-a-task")] == ["long after the response"]


@pytest.mark.parametrize("path", ["/streams", "/async-streams"])
def test_streams_have_the_id_while_they_are_produced(
    http: httpx.Client, lines: Callable[..., list[dict[str, Any]]], path: str
) -> None:
    given = f"id-of{path}"
    response = http.get(path, headers={"X-Request-ID": given})

    assert response.text == f"{given}\n" * 3
    assert [line["bytes"] for line in lines("systemlog.access", given)] == [len(response.content)]


def test_a_stream_that_fails_breaks_off(http: httpx.Client, lines: Callable[..., list[dict[str, Any]]]) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/streams", params={"fail": 1}, headers={"X-Request-ID": "failing"})

    assert [line["completed"] for line in lines("systemlog.access", "failing")] == [False]


def test_two_ids_in_one_request_are_none(server: Server) -> None:
    answer = raw(
        server,
        b"GET /seen HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Request-ID: one\r\nX-Request-ID: two\r\n\r\n",
    )

    [sent] = ids_in(answer)
    assert re.fullmatch(UUID, sent)


@pytest.mark.parametrize("value", [b"\xff\xfe", b"a b", b"a\tb", b"<x>", b"a" * 201, "ä".encode()])
def test_hostile_ids_are_replaced_and_never_shown(server: Server, value: bytes) -> None:
    answer = raw(
        server, b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Request-ID: " + value + b"\r\n\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 404")
    [sent] = ids_in(answer)
    assert re.fullmatch(UUID, sent)
    assert value not in answer
    assert value not in server.log.read_bytes()


@pytest.mark.parametrize(
    ("headers", "continued", "tracestate"),
    [
        pytest.param([("TraceParent", TRACEPARENT)], True, None, id="any case of the name"),
        pytest.param([("traceparent", f"\t {TRACEPARENT} \t")], True, None, id="white space"),
        pytest.param([("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)], False, None, id="duplicated"),
        pytest.param([("trace-parent", TRACEPARENT)], False, None, id="another name"),
        pytest.param([("trace.parent", TRACEPARENT)], False, None, id="a name with a dot"),
        pytest.param([("tracestate", "foo=1")], False, None, id="tracestate alone"),
        pytest.param(
            [("traceparent", TRACEPARENT), ("tracestate", "foo=1"), ("tracestate", "bar=2")],
            True,
            "foo=1,bar=2",
            id="tracestate in two headers",
        ),
        pytest.param(
            [("traceparent", TRACEPARENT), ("tracestate", "foo=1"), ("tracestate", ""), ("TraceState", "bar=2")],
            True,
            "foo=1,bar=2",
            id="an empty tracestate among others",
        ),
    ],
)
def test_the_trace_goes_on_as_the_specification_says(
    server: Server, headers: list[tuple[str, str]], continued: bool, tracestate: str | None
) -> None:
    sent = "".join(f"{name}: {value}\r\n" for name, value in headers)
    answer = raw(server, f"GET /goes-out HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{sent}\r\n".encode())
    out = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])

    assert re.fullmatch(r"00-[0-9a-f]{32}-(?!b7ad6b7169203331)[0-9a-f]{16}-0[0-3]", out["traceparent"])
    assert (TRACE in out["traceparent"]) is continued
    assert out.get("tracestate") == tracestate


@pytest.mark.parametrize(
    ("server", "path", "status"),
    [
        ("gunicorn", "/streams-without-end", 200),
        ("uvicorn", "/streams-for-ever", 200),
        ("uvicorn", "/hangs", 499),
    ],
    indirect=["server"],
)
def test_a_client_that_goes_away_is_recorded_and_forgotten(
    http: httpx.Client, lines: Callable[..., list[dict[str, Any]]], path: str, status: int
) -> None:
    given = f"gone-from{path}"
    server = httpx.URL(http.base_url)
    with socket.create_connection((server.host, server.port or 0), timeout=DEADLINE_S) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {given}\r\n\r\n".encode())
        if status == 200:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        else:
            http.get("/seen")  # after this response, the server has begun with the other request

    [record] = lines("systemlog.access", given)
    assert (record["status"], record["completed"]) == (status, False)
    if status == 200:
        assert [line["message"] for line in lines("site", given)] == ["the body is over"]
    assert re.fullmatch(UUID, http.get("/seen").json()["context"])
