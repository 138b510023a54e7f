"""Both engines, so that each test of the rules runs on RE2 and on the fallback."""

from __future__ import annotations

import pytest

from systemlog.redaction import Redactor
from tests.support.redaction import ENGINES


@pytest.fixture(params=ENGINES)
def redactor(request: pytest.FixtureRequest) -> Redactor:
    return ENGINES[request.param]
