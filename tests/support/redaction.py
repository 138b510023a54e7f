"""Helpers for tests of redaction."""

from __future__ import annotations

from systemlog.redaction import Redactor
from systemlog.redaction.patterns import compile_re, compile_re2

ENGINES = {"re2": Redactor(compile_pattern=compile_re2), "re": Redactor(compile_pattern=compile_re)}
