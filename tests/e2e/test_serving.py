import json
import time

import pytest

pytestmark = pytest.mark.e2e


def test_it_serves_and_stops_cleanly_within_two_seconds(server):
    with server.client() as client:
        assert client.get("/schema").status_code == 200
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 2


def test_it_serves_under_asgi(asgi_server):
    with asgi_server.client() as client:
        assert client.get("/schema").status_code == 200


def test_two_servers_that_start_at_once_both_come_up(platform):
    with platform.serve("--workers=1") as first, platform.serve("--workers=1") as second:
        for server in (first, second):
            with server.client() as client:
                assert client.get("/docs").status_code == 200


def test_each_line_of_its_output_is_json(server):
    with server.client() as client:
        client.get("/nowhere?secret=hunter2")
    server.stop()
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"Starting gunicorn 27.0.1", "Not Found: /nowhere"} <= {line["message"] for line in lines}
    assert sum(line["message"] == "Not Found: /nowhere" for line in lines) == 1
    assert all(line["timestamp"].endswith("+00:00") and line["level"] for line in lines)
    assert "hunter2" not in server.log.read_text()
