"""Tests under gunicorn and uvicorn: bodies of unknown length, and bodies and streams that break off."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from systemlog.problems.testing import assert_problem
from tests.problems.raising import SECRET
from tests.support.servers import PROJECT, Server, _free_port

pytestmark = pytest.mark.e2e
JSON = {"Content-Type": "application/json"}
COMMANDS = {
    "gunicorn-gthread": [
        "gunicorn",
        "--threads=4",
        "--worker-tmp-dir=/dev/shm",
        "tests.problems.server:wsgi",
        "--bind",
    ],
    "gunicorn-sync": ["gunicorn", "--worker-tmp-dir=/dev/shm", "tests.problems.server:wsgi", "--bind"],
    "uvicorn": ["uvicorn", "--lifespan=off", "tests.problems.server:asgi", "--port"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The site, run by a real server."""
    port = _free_port()
    module, *arguments = COMMANDS[request.param]
    address = str(port) if module == "uvicorn" else f"127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, address], cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        process.terminate()
        process.wait()


def chunks(body: bytes) -> Iterator[bytes]:
    """Yield the body in pieces, so that httpx sends it chunked."""
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def post(server: Server, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    """Send a POST with a chunked body."""
    with server.client() as client:
        return client.post(path, content=chunks(body), headers=headers)


def multipart(files: dict[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a form with files."""
    request = httpx.Request("POST", "http://x", data={"field": "value"}, files=files)
    return request.read(), {"Content-Type": request.headers["Content-Type"]}


def is_asgi(server: Server) -> bool:
    """Return whether the server is uvicorn."""
    return "uvicorn" in server.process.args


class TestChunkedBodies:
    def test_drf_gets_the_whole_body(self, server: Server) -> None:
        body = json.dumps({"customer": "x", "items": [{"price": 1}] * 500}).encode()
        response = post(server, "/orders/", body, JSON)
        assert response.status_code == 201
        assert len(response.json()["items"]) == 500

    def test_a_plain_view_gets_the_whole_body(self, server: Server) -> None:
        assert post(server, "/reads/json/", b'{"a": "' + b"x" * 5000 + b'"}', JSON).json()["read"]["a"] == "x" * 5000

    def test_forms_and_files_arrive(self, server: Server) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert post(server, "/reads/form/", b"a=1&b=2", form).json()["fields"] == {"a": "1", "b": "2"}
        body, headers = multipart({"file": b"x" * 3_000_000})
        assert post(server, "/reads/form/", body, headers).json() == {
            "fields": {"field": "value"},
            "files": {"file": 3_000_000},
        }

    def test_the_same_limit_holds(self, server: Server) -> None:
        for path in ("/reads/json/", "/orders/"):
            response = post(server, path, b'"' + b"x" * 150_000 + b'"', JSON)
            assert_problem(response, type="content-too-large", status=413)

    def test_an_empty_body_is_empty(self, server: Server) -> None:
        assert_problem(post(server, "/orders/", b"", JSON), status=400, pointer="#/customer", code="required")

    def test_a_view_that_wants_the_stream_has_it(self, server: Server) -> None:
        if is_asgi(server):
            pytest.skip("there is no stream under ASGI")
        assert post(server, "/reads/stream/", b"x" * 5000, JSON).content == b"x" * 100

    def test_a_view_that_does_not_ask_for_the_body_does_not_wait_for_it(self, server: Server) -> None:
        if is_asgi(server):
            pytest.skip("Django receives the whole body under ASGI before it begins")
        assert talk(server, "/ignores-body/", b"5\r\nhello\r\n").startswith(b"HTTP/1.1 200")

    def test_broken_framing_is_no_failure_of_the_server(self, server: Server) -> None:
        for path in ("/orders/", "/reads/json/"):
            answer = talk(server, path, b"5\r\nhello\r\nXYZ\r\n")
            assert answer.startswith(b"HTTP/1.1 400"), answer[:300]


def test_a_body_that_breaks_off_is_no_shorter_body(server: Server) -> None:
    if is_asgi(server):
        pytest.skip("Django gives up before there is a request")
    for path in ("/orders/", "/reads/json/"):
        answer = talk(server, path, b"{}", length=10)
        assert answer.startswith(b"HTTP/1.1 400"), answer[:300]
        assert b"/problems/incomplete-body" in answer


class TestStreams:
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_a_stream_that_breaks_is_logged_once_and_cut(self, server: Server, kind: str) -> None:
        before = len(server.log.read_text())
        with server.client() as client, pytest.raises(httpx.RemoteProtocolError):
            client.get(f"/breaks-off/{kind}/", headers={"X-Request-ID": f"broken-{kind}"})
        log = server.log.read_text()[before:]
        assert log.count(f"[broken-{kind}] GET /breaks-off/{kind}/: the stream broke after its headers") == 1
        assert log.count("ERROR") == log.count(f"ValueError: {SECRET}") == 1


def test_system_exit_in_a_view_does_not_end_the_server(server: Server) -> None:
    with server.client() as client:
        for kind in ("drf", "plain", "async"):
            assert_problem(client.get(f"/raises/{kind}/SystemExit/"), type="internal-error", status=500)


def test_head_has_no_body_on_the_wire(server: Server) -> None:
    answer = talk(server, "/missing/", b"", method="HEAD", chunked=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"404" in head
    assert body == b""


def talk(
    server: Server, path: str, body: bytes, *, method: str = "POST", chunked: bool = True, length: int = 0
) -> bytes:
    """Send a request byte by byte as given, and return the raw response."""
    address = urlsplit(server.url)
    lines: list[Any] = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if length:
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    elif chunked:
        lines += ["Content-Type: application/json", "Transfer-Encoding: chunked"]
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        if length:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer
