"""Fixtures of the room: limits in files below `tmp_path`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rest_framework.views import APIView

from systemlog.limits import LimitThrottle, guard
from systemlog.limits.refusals import refusals
from tests.support.limits import Limit


@pytest.fixture
def limit(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limit]:
    """Sets limits: called with policies, and perhaps with further settings."""
    # What DEFAULT_THROTTLE_CLASSES says in the settings of a platform with limits; DRF reads it once.
    monkeypatch.setattr(APIView, "throttle_classes", [LimitThrottle])

    def begin(*policies: dict[str, Any], **more: Any) -> None:
        refusals.close()
        settings.SYSTEMLOG = {
            **settings.SYSTEMLOG,
            "LIMITS": list(policies),
            "LIMITS_DIR": str(tmp_path / "limits"),
            **more,
        }

    begin()
    yield begin
    refusals.tell(all_of_them=True)
    guard.close()
    refusals.close()
