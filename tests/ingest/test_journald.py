"""The endpoint for systemd-journal-upload."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.ingest.journal_export import MAX_FIELD_BYTES, read_entries
from systemlog.ingest.streams import BodyBroken
from systemlog.models import SystemLog

pytestmark = pytest.mark.django_db

URL = "/journald/upload"
EXPORT = "application/vnd.fdo.journal"
NOW = datetime.now(UTC).replace(microsecond=123456)

Send = Callable[..., Any]
Stored = Callable[[], list[SystemLog]]
Value = str | bytes
_numbers = iter(range(10**9))


def micro(instant: datetime) -> str:
    return str((instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def field(name: str, value: Value) -> bytes:
    if isinstance(value, str):
        return f"{name}={value}\n".encode()
    return name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def entry(*more: tuple[str, Value], **fields: Value) -> bytes:
    """Return an entry with its own cursor."""
    known: dict[str, Value] = {
        "__CURSOR": f"s=1;i={next(_numbers)}",
        "__REALTIME_TIMESTAMP": micro(NOW),
        "__MONOTONIC_TIMESTAMP": "1",
        **fields,
    }
    return b"".join(field(name, value) for name, value in (*known.items(), *more)) + b"\n"


def test_an_entry_is_mapped_as_documented(send: Send, the_record: Callable[[], SystemLog]) -> None:
    body = entry(
        ("TAG", "a"),
        ("TAG", "b"),
        MESSAGE="started",
        PRIORITY="3",
        SYSLOG_IDENTIFIER="nginx",
        _COMM="ngx",
        _HOSTNAME="web-1",
        TRACE_ID="ab" * 16,
        REQUEST_ID="r-1",
        _PID="7",
        PASSWORD="hunter2",
    )
    response = send(URL, body, EXPORT)
    assert (response.status_code, response.content) == (202, b"OK.")
    record = the_record()
    assert record.timestamp == NOW
    assert (record.level, record.category, record.source, record.message) == ("ERROR", "nginx", "web-1", "started")
    assert (record.trace_id, record.correlation_id, record.user_id) == ("ab" * 16, "r-1", None)
    assert record.context == {"_COMM": "ngx", "_PID": "7", "PASSWORD": "[redacted]", "TAG": ["a", "b"]}


@pytest.mark.parametrize(
    ("priority", "level"),
    [
        ("0", "CRITICAL"),
        ("2", "CRITICAL"),
        ("3", "ERROR"),
        ("4", "WARNING"),
        ("5", "INFO"),
        ("7", "DEBUG"),
        ("x", "INFO"),
    ],
)
def test_priorities_become_levels(priority: str, level: str, send: Send, the_record: Callable[[], SystemLog]) -> None:
    send(URL, entry(PRIORITY=priority), EXPORT)
    record = the_record()
    assert (record.level, record.message, record.category, record.correlation_id) == (level, "-", "general", None)


def test_binary_values_hold_anything(send: Send, stored: Stored) -> None:
    body = entry(MESSAGE=b"two\n\nlines=\x00\xff\n") + entry(MESSAGE="next") + entry(MESSAGE=b"")
    assert send(URL, body, EXPORT).status_code == 202
    assert {record.message for record in stored()} == {"two\n\nlines=\ufffd\ufffd\n", "next", ""}


def test_an_entry_is_stored_once_by_its_cursor(send: Send, stored: Stored) -> None:
    first, second = entry(MESSAGE="equal"), entry(MESSAGE="equal")
    for body in (first + second, second, first):
        assert send(URL, body, EXPORT).status_code == 202
    assert len(stored()) == 2


def test_a_time_ahead_becomes_now_and_is_kept(send: Send, the_record: Callable[[], SystemLog]) -> None:
    ahead = micro(NOW + timedelta(days=1))
    assert send(URL, entry(__REALTIME_TIMESTAMP=ahead), EXPORT).status_code == 202
    record = the_record()
    assert record.timestamp < NOW + timedelta(hours=1)
    assert record.context == {"__REALTIME_TIMESTAMP": ahead}


@pytest.mark.parametrize("time", ["soon", "-1", "9" * 30, ""])
def test_nothing_is_refused_for_its_time(time: str, send: Send, stored: Stored) -> None:
    assert send(URL, entry(__REALTIME_TIMESTAMP=time), EXPORT).status_code == 202
    assert len(stored()) == 1


@pytest.mark.parametrize("body", [b"", b"\n\n\n"])
def test_a_body_without_entries_is_taken(body: bytes, send: Send) -> None:
    assert send(URL, body, EXPORT).status_code == 202


def test_the_last_blank_line_may_be_missing(send: Send, stored: Stored) -> None:
    assert send(URL, entry(MESSAGE="a") + entry(MESSAGE="b")[:-1], EXPORT).status_code == 202
    assert len(stored()) == 2


@pytest.mark.parametrize(
    "bad",
    [
        b"MESSAGE=half",
        b"MESSAGE",
        b"MESSAGE\n\x05\0",
        b"MESSAGE\n" + b"\xff" * 8 + b"x",
        b'{"json": 1}\n\n',
        b"no=t a=field\na b\n\n",
    ],
)
def test_what_breaks_off_or_is_no_entry_is_400_and_what_came_before_is_kept(
    bad: bytes, send: Send, stored: Stored
) -> None:
    response = send(URL, entry(MESSAGE="kept") + bad, EXPORT)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("text/plain")
    assert [record.message for record in stored()] == ["kept"]


def test_what_is_too_long_is_cut_and_says_so(send: Send, stored: Stored) -> None:
    body = entry(MESSAGE="x" * 200_000, OTHER="small") + entry(MESSAGE=b"y\n" * 100_000) + entry(MESSAGE="good")
    assert send(URL, gzip.compress(body), EXPORT, headers={"Content-Encoding": "gzip"}).status_code == 202
    first, second, good = sorted(stored(), key=lambda record: -len(record.message))
    assert len(first.message) == len(second.message) == MAX_FIELD_BYTES
    assert {first.context["truncated"], second.context["truncated"]} == {200_000}
    assert good.message == "good"


def test_an_entry_of_a_gigabyte_takes_little_memory() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"__CURSOR=c\nMESSAGE\n" + (2**30).to_bytes(8, "little")
        for _ in range(2**14):
            yield zeros
        yield b"\nBIG="
        for _ in range(1000):
            yield zeros
        yield b"\n"
        for number in range(100_000):
            yield b"F%d=v\n" % number
        yield b"\n" + b"MESSAGE=next\n"

    zeros = bytes(2**16)
    tracemalloc.start()
    big, following = read_entries(pieces())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * 2**20
    assert big.truncated > 2**30
    assert following.fields == {"MESSAGE": "next"}


@given(
    st.lists(
        st.dictionaries(
            st.from_regex("[A-Z]{1,5}", fullmatch=True),
            st.one_of(
                st.binary(max_size=30), st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30)
            ),
            min_size=1,
            max_size=5,
        ),
        max_size=5,
    ),
    st.integers(1, 50),
)
def test_entries_are_read_as_they_were_written_however_they_arrive(entries: list[dict[str, Value]], size: int) -> None:
    body = b"".join(b"".join(field(*each) for each in one.items()) + b"\n" for one in entries)
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    read = [each.fields for each in read_entries(pieces)]
    assert read == [
        {name: value if isinstance(value, str) else value.decode("utf-8", "replace") for name, value in one.items()}
        for one in entries
    ]


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    try:
        list(read_entries(filter(None, pieces)))
    except BodyBroken:
        return
