import json
import re
import socket
import time
from datetime import datetime, timedelta

import httpx
import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.e2e


# It takes 0.7 s on a machine that does nothing else; gunicorn's graceful timeout, which it must not wait for, is 25 s.
STOP_S = 15


def test_it_serves_and_stops_soon_and_cleanly(server):
    with server.client() as client:
        assert client.get("/schema").status_code == 200
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < STOP_S


@pytest.mark.any_database
def test_it_can_be_stopped_while_its_workers_start(platform):
    with platform.serve("--workers=4", wait=False) as server:
        server.wait_for_line("Booting worker")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < STOP_S


def test_it_serves_under_asgi(shared_asgi_server):
    with shared_asgi_server.client() as client:
        assert client.get("/schema").status_code == 200


def test_two_servers_that_start_at_once_both_come_up(new_platform):
    with new_platform.serve("--workers=1") as first, new_platform.serve("--workers=1") as second:
        for server in (first, second):
            with server.client() as client:
                assert client.get("/docs").status_code == 200


@pytest.mark.any_database
def test_each_line_of_its_output_is_json_with_the_correlation_id(shared_server):
    # From an address of its own: what is refused to one address again and again is counted.
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(base_url=shared_server.url, transport=elsewhere) as client:
        client.get("/system/logs/?secret=hunter2", headers={"X-Request-ID": "of-the-caller"})
    shared_server.wait_for_line("of-the-caller")
    text = shared_server.log.read_text()
    lines = [json.loads(line) for line in text[: text.rindex("\n")].splitlines()]
    assert all(datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta() for line in lines)
    assert all(line["level"] and line["logger"] and line["message"] for line in lines)
    assert any(line["message"].startswith("Listening at: ") for line in lines)
    (refusal,) = [line for line in lines if line["correlation_id"] == "of-the-caller"]
    assert refusal["request"] == "GET /system/logs/"
    assert refusal["status_code"] == 401
    assert "hunter2" not in text


def test_commands_and_server_share_the_database(shared_platform, shared_server):
    token = shared_platform.manage("issue_token", "somebody", "--can=read").stdout.strip()
    with shared_server.client(token) as client:
        assert client.get("/system/logs/?category=nobodys").json()["items"] == []


@pytest.mark.any_database
def test_a_database_that_does_not_answer_is_one_line_and_exit_code_1(platform):
    platform.environment["DATABASE_URL"] = "postgres://nobody@127.0.0.1:1/nothing"
    failed = platform.manage("serve", "--wait=0.2", check=False)
    assert failed.returncode == 1
    assert failed.stdout == ""
    (line,) = failed.stderr.strip().splitlines()
    assert line.startswith("CommandError: The database of alias 'default' cannot be reached: ")


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("SECRET_KEY", "", "ops_platform.E002"),
        ("ALLOWED_HOSTS", "*", "ops_platform.E004"),
        ("DATABASE_URL", "garbage", "ops_platform.E001"),
        ("LOG_LEVEL", "loud", "ops_platform.E001"),
    ],
)
def test_it_does_not_serve_with_an_unsafe_configuration(platform, name, value, identifier):
    platform.environment[name] = value
    failed = platform.manage("serve", check=False)
    assert failed.returncode == 1
    assert re.findall(r"\(([a-z_]+\.E\d+)\)", failed.stderr) == [identifier]
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("option", ["--workers=0", "--threads=-1", "--workers=two"])
def test_it_refuses_numbers_that_make_no_sense(option):
    with pytest.raises(CommandError, match="must be a whole number from 1"):
        call_command("serve", option)


def test_the_first_start_shows_an_administrator_and_a_token_and_the_second_does_not(new_platform):
    with new_platform.serve("--welcome") as server:
        first = server.log.read_text()
        password = re.search(r"user admin, password (\S+)", first)[1]
        token = re.search(r"API token +(\S+)", first)[1]
        with server.client(token) as client:
            assert client.post("/system/logs/", json={"message": "hello"}).status_code == 201
            assert client.get("/system/logs/?category=general").json()["total"] == 1
        with server.client() as client:
            form = client.get("/admin/login/").text
            csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
            login = {"username": "admin", "password": password, "csrfmiddlewaretoken": csrf, "next": "/admin/"}
            assert client.post("/admin/login/", data=login).headers["Location"] == "/admin/"
    with new_platform.serve("--welcome") as server:
        assert "password" not in server.log.read_text()


@pytest.mark.any_database
def test_the_admin_has_its_styles_without_a_second_server(shared_server):
    with shared_server.client() as client:
        page = client.get("/admin/login/").text
        styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
        assert styles
        assert {client.get(style).status_code for style in styles} == {200}


@pytest.mark.any_database
def test_the_documentation_loads_everything_from_its_own_host(shared_server):
    with shared_server.client() as client:
        page = client.get("/docs")
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert links
        assert all(link.startswith("/") for link in links)
        assert {client.get(link).status_code for link in links} == {200}
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*src=)", page.text)


@pytest.mark.parametrize("path", ["/schema", "/schema/"])
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [("*/*", "application/vnd.oai.openapi"), ("application/json", "application/json")],
)
def test_the_schema_is_yaml_or_json_by_accept(client, path, accept, content_type):
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == content_type


@pytest.mark.parametrize(("name", "begins"), [("json", b"{"), ("yaml", b"openapi: 3.1")])
def test_the_schema_is_yaml_or_json_by_format(client, name, begins):
    assert client.get(f"/schema?format={name}").content.startswith(begins)


@pytest.mark.any_database
def test_https_is_believed_from_a_trusted_proxy_and_from_nobody_else(platform):
    platform.environment["HTTPS"] = "on"
    with platform.serve() as server, server.client() as client:
        assert client.get("/docs").headers["Location"].startswith("https://127.0.0.1:")
        assert client.get("/system-health/live").status_code == 200
        secure = client.get("/docs", headers={"X-Forwarded-Proto": "https"})
        assert secure.status_code == 200
        assert secure.headers["Strict-Transport-Security"] == "max-age=86400"
    platform.environment["FORWARDED_ALLOW_IPS"] = "192.0.2.1"
    with platform.serve() as server, server.client() as client:
        assert client.get("/docs", headers={"X-Forwarded-Proto": "https"}).status_code == 301


@pytest.mark.any_database
@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO"])
def test_a_header_never_moves_the_application(shared_server, name):
    with shared_server.client() as client:
        plain = client.get("/admin/login/")
        answer = client.get("/admin/login/", headers={name: "/x"})
        assert answer.status_code == plain.status_code == 200
        assert "/x/" not in answer.text
        assert client.get("/x/admin/login/", headers={name: "/x"}).status_code == 404


@pytest.mark.any_database
@pytest.mark.parametrize(
    "query", ["version=%00", "version=%01hunter3", "version=%0a", "version=%22%3B%20filename%3Devil.exe", "format=nope"]
)
def test_the_schema_refuses_what_it_does_not_have(shared_server, query):
    with shared_server.client() as client:
        answer = client.get(f"/schema?{query}")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "evil" not in str(answer.headers)
    assert query not in shared_server.log.read_text()


@pytest.mark.any_database
@pytest.mark.parametrize("path", ["/docs", "/schema"])
def test_the_documentation_is_only_read(shared_server, path):
    with shared_server.client() as client:
        answer = client.options(path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def _status(server, request):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        return int(connection.recv(1000).split()[1])


@pytest.mark.any_database
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /docs HTTP/1.1\nConnection: close\n\n", 400),
        ("GET /system-health/live HTTP/1.1\nConnection: close\n\n", 400),
        ("GET /system-health/live HTTP/1.0\n\n", 200),
        ("GET http://elsewhere.example/docs HTTP/1.1\nHost: localhost\nConnection: close\n\n", 400),
        ("GET http://localhost/docs HTTP/1.1\nHost: localhost\nConnection: close\n\n", 200),
        ("GET /docs HTTP/1.0\nHost: localhost\n\n", 200),
    ],
)
def test_a_request_names_one_of_our_hosts(shared_server, request_, status):
    assert _status(shared_server, request_) == status


@pytest.mark.any_database
def test_a_wrong_host_is_one_line_that_names_the_setting(platform):
    with platform.serve() as server, server.client() as client:
        for _ in range(3):
            assert client.get("/docs", headers={"Host": "logs.example.com"}).status_code == 400
        server.wait_for_line("logs.example.com")
    (line,) = [line for line in server.log.read_text().splitlines() if "ALLOWED_HOSTS" in line]
    assert json.loads(line)["level"] == "WARNING"
    assert "logs.example.com" in line


@pytest.mark.any_database
def test_head_has_the_headers_of_get_and_leaves_no_warning(platform):
    with platform.serve() as server, server.client() as client:
        for path in ("/docs", "/schema", "/admin/login/", "/nowhere", "/system/logs/", "/system-health/live"):
            assert client.head(path).status_code == client.get(path).status_code
        assert client.head("/docs").headers["Content-Length"] == client.get("/docs").headers["Content-Length"]
    assert "no-body" not in server.log.read_text()
