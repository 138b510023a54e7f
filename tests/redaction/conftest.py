"""Fixtures with both engines, so that each test of the rules runs with RE2 and with the fallback."""

from __future__ import annotations

import pytest

from systemlog.redaction import Redactor
from tests.support.redaction import ENGINES


@pytest.fixture(params=ENGINES)
def redactor(request: pytest.FixtureRequest) -> Redactor:
    return ENGINES[request.param]
