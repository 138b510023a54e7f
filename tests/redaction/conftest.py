"""Both engines, so that each test of the rules runs on RE2 and on the fallback."""

from __future__ import annotations

import pytest

from systemlog.redaction import Redactor
from systemlog.redaction.patterns import compile_re, compile_re2

ENGINES = {"re2": Redactor(compile_pattern=compile_re2), "re": Redactor(compile_pattern=compile_re)}


@pytest.fixture(params=ENGINES)
def redactor(request: pytest.FixtureRequest) -> Redactor:
    return ENGINES[request.param]
