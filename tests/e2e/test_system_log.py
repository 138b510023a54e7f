"""The log store as shippers and readers meet it: over real HTTP, with chunked bodies, broken ones, and many at once."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.servers import Migrated, Platform, Server, fresh_platform

pytestmark = pytest.mark.e2e

URL = "/system/logs/"
LANDING_DEADLINE_S = 60
POLL_S = 0.1
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(count: int, **columns: object) -> bytes:
    return b"".join(json.dumps({"message": f"record {n}", **columns}).encode() + b"\n" for n in range(count))


def total(client: httpx.Client, query: str) -> int:
    """How many records there are, by walking all pages."""
    found, url = 0, f"{URL}?limit=2000&{query}"
    while url:
        page = client.get(url).json()
        found, url = found + len(page["items"]), page["next"]
    return found


def becomes(wanted: int, count: Callable[[], int]) -> bool:
    """Whether `count` comes to be what is wanted: what a bulk was accepted for lands soon after."""
    deadline = time.monotonic() + LANDING_DEADLINE_S
    while (found := count()) != wanted:
        assert found < wanted, "more than was sent"
        assert time.monotonic() < deadline, f"{found} of {wanted} landed"
        time.sleep(POLL_S)
    return True


def in_pieces(body: bytes, size: int = 1000) -> Iterator[bytes]:
    """A body that httpx sends chunked."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.fixture
def category() -> str:
    """That of the test's own records."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def writer(shared_platform: Platform, shared_server: Server) -> Iterator[httpx.Client]:
    with shared_server.client(shared_platform.token("read", "write")) as client:
        yield client


@pytest.fixture(scope="module")
def four_workers(
    tmp_path_factory: pytest.TempPathFactory, postgresql_url: str | None, migrated: Migrated
) -> Iterator[httpx.Client]:
    """A client of a server with four workers; of it come others."""
    with (
        fresh_platform(tmp_path_factory.mktemp("four"), postgresql_url, migrated) as platform,
        platform.serve("--workers=4") as server,
        server.client(platform.token("read", "write")) as client,
    ):
        yield client


@pytest.mark.parametrize("encoded", [False, True])
def test_a_chunked_bulk_arrives_whole(writer: httpx.Client, category: str, encoded: bool) -> None:
    body = lines(5000, category=category)
    headers = NDJSON | ({"Content-Encoding": "gzip"} if encoded else {})
    answer = writer.post(URL, content=in_pieces(gzip.compress(body) if encoded else body), headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 5000, "rejected": 0, "errors": []})
    assert becomes(5000, lambda: total(writer, f"category={category}"))


def test_a_chunked_bulk_and_record_arrive_under_asgi(
    shared_platform: Platform, shared_asgi_server: Server, category: str
) -> None:
    with shared_asgi_server.client(shared_platform.token("read", "write")) as client:
        bulk = lines(500, category=category)
        assert client.post(URL, content=in_pieces(bulk), headers=NDJSON).json()["accepted"] == 500
        record = json.dumps({"message": "m", "category": category}).encode()
        one = client.post(URL, content=in_pieces(record, 3), headers={"Content-Type": "application/json"})
        assert one.status_code == 201
        assert becomes(501, lambda: total(client, f"category={category}"))


def test_a_chunked_body_beyond_the_limit_is_413_and_the_connection_tells_so(writer: httpx.Client) -> None:
    answer = writer.post(URL, content=in_pieces(b"x" * (11 * 2**20), 2**16), headers=NDJSON)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["accepted"] == 0


@pytest.mark.parametrize(
    "tail",
    [b"ZZ\r\nbroken\r\n", b"-5\r\n", b"FFFFFFFFFFFFFFFFFFFF\r\n", b"5\r\nab"],
    ids=["no length", "negative length", "huge length", "breaks off"],
)
def test_broken_chunked_framing_is_400_and_keeps_what_came_before(
    writer: httpx.Client, category: str, tail: bytes
) -> None:
    address = urlsplit(str(writer.base_url))
    assert address.hostname
    record = json.dumps({"message": "before", "category": category}).encode() + b"\n"
    with socket.create_connection((address.hostname, address.port or 0), timeout=20) as connection:
        connection.sendall(
            f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {writer.headers['Authorization']}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + f"{len(record):x}\r\n".encode()
            + record
            + b"\r\n"
            + tail
        )
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["accepted"] == 1
    assert becomes(1, lambda: total(writer, f"category={category}"))


def test_four_workers_take_bulks_and_records_at_once_without_loss(four_workers: httpx.Client) -> None:
    failures: list[object] = []

    def ship(name: str) -> None:
        with httpx.Client(base_url=four_workers.base_url, headers=four_workers.headers, timeout=20) as client:
            for number in range(5):
                bulk = client.post(URL, content=lines(200, source=name), headers=NDJSON)
                one = client.post(URL, json={"message": f"single {number}", "source": name})
                if (bulk.status_code, one.status_code) != (202, 201):
                    failures.append((bulk.text, one.text))

    shippers = [threading.Thread(target=ship, args=(f"shipper-{n}",)) for n in range(8)]
    for shipper in shippers:
        shipper.start()
    for shipper in shippers:
        shipper.join()
    assert not failures
    for number in range(8):
        assert becomes(1005, lambda: total(four_workers, f"source=shipper-{number}"))  # noqa: B023  (called at once)


def test_many_clients_that_send_one_record_again_and_again_store_it_once(
    four_workers: httpx.Client, category: str
) -> None:
    record = {"message": "m", "id": str(uuid.uuid4()), "timestamp": "2020-02-02T00:00:00Z", "category": category}
    codes: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=four_workers.base_url, headers=four_workers.headers, timeout=20) as client:
            codes.extend(client.post(URL, json=record).status_code for _ in range(10))

    clients = [threading.Thread(target=send) for _ in range(6)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert total(four_workers, f"category={category}") == 1
    assert sorted(codes) == [200] * 59 + [201]


def test_an_import_and_a_prune_run_beside_the_server(
    shared_platform: Platform, writer: httpx.Client, category: str, tmp_path: Path
) -> None:
    file = tmp_path / "old.ndjson"
    years = itertools.cycle(range(2003, 2018))
    line = '{"message": "m", "category": "%s", "timestamp": "%d-07-29T17:41:44.747Z"}\n'
    file.write_text("".join(line % (category, next(years)) for _ in range(3000)))
    for stored in (3000, 0):
        assert f"3000 records read, {stored} stored" in shared_platform.manage("import_system_logs", str(file)).stdout
    assert writer.get(URL, params={"category": category, "limit": 1}).json()["total"] == 3000
    until = {"until": "2003-12-31T23:59:59Z", "category": category, "limit": 1}
    assert writer.get(URL, params=until).json()["total"] == 200
    pruned = shared_platform.manage("prune_system_logs", "--older-than", "2000d", "--category", category)
    assert "3000 records" in pruned.stdout
    assert writer.get(URL, params={"category": category, "limit": 1}).json()["total"] == 0
