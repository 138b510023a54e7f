"""The pages of parts while the PostgreSQL of the log hangs: each part fails alone, and the page answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.browser import sessions_of
from tests.support.console import LIST
from tests.support.postgresql import running_server
from tests.support.servers import Platform
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif("config.getoption('db') != 'postgresql'", reason="SQLite is a file: it does not freeze"),
]

OPERATIONS, START = f"{LIST}operations/", "/admin/"
WITHIN_S = 10
"""What docs/platform.md promises while the database hangs."""

SILENT = ("It gave no answer in time.", "The database does not answer.", "The database took too long.")


def sections(page: str) -> dict[str, str]:
    """Return the text of each section of a page, by its heading."""
    found = {}
    for section in page.split("<section")[1:]:
        heading = section.partition("<h2")[2].partition(">")[2].partition("<")[0]
        found[heading] = section.partition("</section")[0]
    return found


def fails(section: str) -> bool:
    return any(words in section for words in SILENT)


def test_each_part_fails_alone_while_the_database_of_the_log_is_frozen(platform: Platform) -> None:
    with running_server() as logs:
        platform.environment["LOG_DATABASE_URL"] = logs.url()
        platform.manage("migrate", "--database=logs", "--verbosity=0")
        cookies = {"sessionid": sessions_of(platform)["administrator"]}
        with platform.serve("--workers=1") as server, ThreadPoolExecutor(2) as threads:

            def both() -> Iterator[dict[str, str]]:
                """Return the sections of both pages, asked for at the same time."""
                asked = [
                    threads.submit(httpx.get, server.url + path, cookies=cookies, timeout=30)
                    for path in (OPERATIONS, START)
                ]
                for answer in (each.result() for each in asked):
                    assert answer.status_code == 200
                    assert answer.elapsed.total_seconds() < WITHIN_S
                    yield sections(answer.text)

            def all_answer() -> bool:
                return not [name for page in both() for name, text in page.items() if fails(text)]

            assert eventually(all_answer)
            with logs.frozen():
                for _ in range(2):  # the second time, the parts of the first may still hang
                    operations, start = both()
                    assert fails(operations["Storage"])
                    assert fails(start["Last hour"])
                    for section in (operations["Journal"], operations["Health"], start["Health"]):
                        assert not fails(section)
                    assert "database:logs" in operations["Health"]
            assert eventually(all_answer)
