"""One writer that sends more than can be landed: the others, and the service itself, go on."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.servers import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

BULK = "".join(json.dumps({"message": "x" * 900, "level": "CRITICAL"}) + "\n" for _ in range(100))
NDJSON = {"Content-Type": "application/x-ndjson"}


def send(client: httpx.Client) -> httpx.Response:
    return client.post("/system/logs/", content=BULK, headers=NDJSON)


def test_a_writer_beyond_its_share_is_refused_and_others_are_not(platform: Platform) -> None:
    platform.environment.update(SYSTEMLOG_JOURNAL_MAX_BYTES=str(2**20), SYSTEMLOG_LANDER="process")
    modest = platform.manage("issue_token", "modest", "--can", "write").stdout.strip()
    with (
        platform.serve("--workers=2") as server,
        server.client(platform.token("write")) as greedy_client,
        server.client(modest) as modest_client,
    ):
        answers = [send(greedy_client) for _ in range(8)]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert len(refused) >= 5
        assert refused[-1].headers["Retry-After"]
        assert refused[-1].json()["type"].endswith("/journal-full")
        assert refused[-1].json()["accepted"] == 0
        assert send(modest_client).status_code == 202
        with server.client() as nobody:
            assert nobody.get("/system/logs/", headers={"X-Request-ID": "refused-late"}).status_code == 401
        written = b"".join(path.read_bytes() for path in (platform.folder / "journal").rglob("*.segment"))
        assert b"refused-late" in written
