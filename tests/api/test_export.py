"""GET of an export: it streams every record of a search, and says where it ends early."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import AsyncClient, Client

from systemlog.api.export import takes_gzip
from systemlog.conf import conf
from systemlog.models import SystemLog
from systemlog.search import export, pages
from systemlog.storage import Row, get_storage

pytestmark = pytest.mark.django_db

URL = "/system/logs/export/"
NOW = datetime.now(UTC)


def fill(count: int, **columns: Any) -> None:
    instants = [NOW - timedelta(seconds=number) for number in range(count)]
    blank = Row(NOW, uuid.uuid4(), "INFO", "c", "", "m", None, None, {}, None, None, None)._replace(**columns)
    get_storage().insert(
        [
            blank._replace(timestamp=at, id=uuid.uuid4(), message=f"{blank.message}{number}")
            for number, at in enumerate(instants)
        ]
    )


def read(client: Client, query: str = "", **headers: str) -> bytes:
    response = client.get(f"{URL}?{query}", headers=headers)
    assert response.status_code == 200, response.content
    assert response.streaming
    return response.getvalue()


def test_a_line_is_the_record_as_the_api_has_it(client: Client) -> None:
    context = {"a": {"b": [1, None, "ü😀"]}, "big": 10**30, "f": 1.5}
    SystemLog.objects.create(message='line\nand "quote", ünï', context=context, user_id="7", recorded_by="me")
    SystemLog.objects.create(message="whole second", timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    lines = [json.loads(line) for line in read(client).splitlines()]
    assert lines == client.get("/system/logs/").json()["items"]


def test_every_record_once_in_order_with_the_filters_of_the_list(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 7)
    fill(50)
    fill(30, level="ERROR", message="e")
    assert [json.loads(line)["message"] for line in read(client, "level=error&since=-1h").splitlines()] == [
        f"e{number}" for number in range(30)
    ]
    assert len(read(client).splitlines()) == 80
    assert read(client, "category=none") == b""


def test_csv_has_a_header_and_no_formulas(client: Client) -> None:
    SystemLog.objects.create(message="=HYPERLINK(1)", category="-a", context={"k": 'v,"'}, source="@x")
    SystemLog.objects.create(message='with "quotes", commas\nand lines')
    first, second = csv.DictReader(io.StringIO(read(client, "format=csv").decode(), newline=""))
    assert first["message"] == 'with "quotes", commas\nand lines'
    assert (second["message"], second["category"], second["source"]) == ("'=HYPERLINK(1)", "'-a", "'@x")
    assert json.loads(second["context"]) == {"k": 'v,"'}
    assert (first["user_id"], first["recorded_by"]) == ("", "")


def test_the_type_and_the_name_of_the_file_are_said(client: Client) -> None:
    response = client.get(f"{URL}?format=csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="system-logs.csv"'
    assert "Accept-Encoding" in response.headers["Vary"]
    assert client.get(URL).headers["Content-Type"] == "application/x-ndjson"
    assert client.get(URL, headers={"Accept": "text/html"}).status_code == 200


def test_gzip_is_sent_to_those_who_take_it(client: Client) -> None:
    fill(100)
    response = client.get(URL, headers={"Accept-Encoding": "br, gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.getvalue()) == read(client)


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("*", True),
        ("gzip;q=1.0", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
    ],
)
def test_what_accept_encoding_says(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_where_the_time_is_over_a_trailer_says_where_to_go_on(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 10)
    fill(35)
    whole = read(client, f"format={form}&since=-1h").splitlines()
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "EXPORT_TIMEOUT_S": 0.0}
    query, found = f"format={form}&since=-1h", []
    for _ in range(4):
        *lines, last = read(client, query).splitlines()
        found += lines[form == "csv" :]
        if form == "ndjson" and b'"next"' in last:
            trailer = json.loads(last)
            assert (trailer["complete"], trailer["rows"]) == (False, 10)
            query = trailer["next"].partition("?")[2]
        elif form == "csv" and last.startswith(b"# incomplete: the time is over after 10 records"):
            query = last.decode().partition("?")[2]
        else:
            found.append(last)
            break
    assert found == whole[form == "csv" :]


def test_an_export_of_any_size_takes_the_memory_of_a_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 200)

    def peak() -> tuple[int, int]:
        size = 0
        tracemalloc.start()
        for chunk in client.get(URL).streaming_content:
            size += len(chunk)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size, used

    fill(400, message="x" * 2000)
    peak()
    small_size, small = peak()
    fill(4000, message="y" * 2000)
    large_size, large = peak()
    assert large_size > 9 * small_size
    assert large < 1.5 * small


def test_no_transaction_is_open_between_two_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_ROWS", 10)
    fill(30)
    depth = len(connections[conf().DATABASE].savepoint_ids)
    stream = iter(client.get(URL).streaming_content)
    next(stream)
    assert len(connections[conf().DATABASE].savepoint_ids) == depth


def test_large_records_come_in_pages_of_bounded_size(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_PAGE_CHARACTERS", 20_000)
    fill(30, message="z" * 5000)
    chunks = list(client.get(URL).streaming_content)
    assert max(map(len, chunks)) < 30_000
    assert len(b"".join(chunks).splitlines()) == 30


@pytest.mark.parametrize("query", ["format=xml", "format=", "limit=5", "cursor=x", "level=nope"])
def test_a_bad_question_is_a_problem_and_no_stream(client: Client, query: str) -> None:
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_server_streams_too(client_with: Callable[..., Client]) -> None:
    from asgiref.sync import async_to_sync

    fill(20)
    cookies = client_with("view").cookies

    async def ask() -> bytes:
        client = AsyncClient()
        client.cookies = cookies
        response = await client.get(URL)
        assert response.is_async
        return b"".join([chunk async for chunk in response.streaming_content])

    assert len(async_to_sync(ask)().splitlines()) == 20
