"""Anonymous requests that are refused by the hundred: what they write stays small."""

from __future__ import annotations

import pytest

from tests.support.servers import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.any_database]

REFUSED = 300
MOST_BYTES = 64 * 1024


def test_refusals_with_long_paths_write_little(platform: Platform) -> None:
    with platform.serve("--workers=1") as server, server.client() as client:
        for _ in range(REFUSED):
            assert client.get("/system/logs/" + "%01" * 2500).status_code == 401
    # What is counted is told when the process ends, at the latest.
    written = [path.read_bytes() for path in (platform.folder / "journal").rglob("*.segment")]
    assert any(b"problem.repeated" in data for data in written)
    assert sum(map(len, written)) < MOST_BYTES
    assert server.log.stat().st_size < MOST_BYTES
