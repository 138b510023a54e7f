"""The correlation on calls to other services, and in messages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import requests

from systemlog.correlation import correlated, correlated_by, get_correlation_id, outgoing_headers, outgoing_message
from systemlog.correlation.integrations.httpx import PropagateTo
from systemlog.correlation.integrations.requests import PropagatingAdapter
from systemlog.correlation.outgoing import missing_headers

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_outside_of_a_correlation_there_is_nothing_to_take_along() -> None:
    assert outgoing_headers() == {}
    assert outgoing_message() == {}


def test_a_call_takes_the_id_and_the_trace_along() -> None:
    with correlated("given", TRACEPARENT, "foo=1"):
        headers = outgoing_headers()

    assert headers["X-Request-ID"] == "given"
    assert headers["traceparent"].split("-")[1] == TRACE
    assert headers["tracestate"] == "foo=1"


def test_calls_of_a_request_that_nobody_traces_share_a_new_trace() -> None:
    with correlated() as correlation:
        assert correlation.trace_id is None
        traces = {outgoing_headers()["traceparent"].split("-")[1] for _ in range(3)}

    assert traces == {correlation.trace_id}


@pytest.mark.parametrize(
    ("hosts", "host", "taken"),
    [
        (["api.example.com"], "api.example.com", True),
        (["api.example.com"], "API.Example.com", True),
        (["api.example.com"], "api.example.com.evil.test", False),
        (["api.example.com"], "evil-api.example.com", False),
        ([".example.com"], "api.example.com", True),
        ([".example.com"], "evilexample.com", False),
        (["*"], "anywhere.test", True),
        ([], "api.example.com", False),
        (["*"], "", True),
    ],
)
def test_only_the_hosts_named_get_anything(hosts: list[str], host: str, taken: bool) -> None:
    with correlated():
        assert bool(dict(missing_headers(hosts, host, {}))) is taken


def test_the_callers_own_headers_stay() -> None:
    with correlated("given", TRACEPARENT, "foo=1"):
        assert "X-Request-ID" not in dict(missing_headers(["*"], "any", {"X-Request-ID": "his"}))
        assert set(dict(missing_headers(["*"], "any", {"traceparent": "his"}))) == {"X-Request-ID"}


def test_a_message_brings_the_correlation_to_who_takes_it() -> None:
    with correlated("given", TRACEPARENT, "foo=1"):
        message = outgoing_message()
    with correlated_by(message) as correlation:
        assert (correlation.correlation_id, correlation.trace_id) == ("given", TRACE)
    assert get_correlation_id() is None


@pytest.mark.parametrize("message", [None, {}, "given", 7, {"correlation_id": 7}, {"correlation_id": "not acceptable"}])
def test_a_message_without_a_correlation_gets_a_new_one(message: object) -> None:
    with correlated_by(message) as correlation:
        assert len(correlation.correlation_id) == 36


class Echo(BaseHTTPRequestHandler):
    """Answers with the id of the request. /redirect redirects to the same server by another name."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = (self.headers.get("X-Request-ID", "none") + " " + self.headers.get("traceparent", "none")).encode()
        self.send_response(302 if self.path == "/redirect" else 200)
        if self.path == "/redirect":
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing to stderr."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask_httpx(url: str, hosts: list[str], headers: dict[str, str] | None = None) -> str:
    with httpx.Client(event_hooks={"request": [PropagateTo(hosts)]}, follow_redirects=True, trust_env=False) as client:
        return client.get(url, headers=headers).text


def ask_httpx_async(url: str, hosts: list[str], headers: dict[str, str] | None = None) -> str:
    async def ask() -> str:
        hooks = {"request": [PropagateTo(hosts)]}
        async with httpx.AsyncClient(event_hooks=hooks, follow_redirects=True, trust_env=False) as client:
            return (await client.get(url, headers=headers)).text

    return asyncio.run(ask())


def ask_requests(url: str, hosts: list[str], headers: dict[str, str] | None = None) -> str:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", PropagatingAdapter(hosts))
        return session.get(url, headers=headers, timeout=5).text


clients = pytest.mark.parametrize("ask", [ask_httpx, ask_httpx_async, ask_requests])


@clients
def test_a_client_takes_the_correlation_along(ask: object, port: int) -> None:
    with correlated("given", TRACEPARENT):
        assert ask(f"http://localhost:{port}/", ["localhost"]).startswith(f"given 00-{TRACE}-")


@clients
def test_a_client_tells_other_hosts_nothing(ask: object, port: int) -> None:
    with correlated("given"):
        assert ask(f"http://127.0.0.1:{port}/", ["localhost"]) == "none none"


@clients
def test_a_redirect_to_another_host_loses_the_headers(ask: object, port: int) -> None:
    with correlated("given"):
        assert ask(f"http://localhost:{port}/redirect", ["localhost"]) == "none none"


@clients
def test_a_redirect_to_another_host_that_is_named_keeps_them(ask: object, port: int) -> None:
    with correlated("given"):
        assert ask(f"http://localhost:{port}/redirect", ["localhost", "127.0.0.1"]).startswith("given 00-")


@clients
def test_a_client_leaves_the_callers_own_id(ask: object, port: int) -> None:
    with correlated("given"):
        assert ask(f"http://localhost:{port}/", ["localhost"], {"x-request-id": "his"}).startswith("his 00-")


@clients
def test_a_client_outside_of_any_correlation_adds_nothing(ask: object, port: int) -> None:
    assert ask(f"http://localhost:{port}/", ["localhost"]) == "none none"
