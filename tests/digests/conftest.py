"""Fixtures: a log with a key, and a directory for its digests outside the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from systemlog.digests import keys


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The path of a private key file."""
    path = tmp_path / "digest.key"
    keys.create(path)
    return path


@pytest.fixture
def sealed_log(transactional_db: None, settings: Any, tmp_path: Path, key: Path) -> Path:
    """A log whose hours can be sealed. The value is the directory outside the database."""
    outside = tmp_path / "digests"
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DIGEST_KEY": str(key), "DIGEST_DIR": str(outside)}
    return outside
