"""Each byte of a text is read a bounded number of times, and the cost of one record is bounded.

The tests count bytes and not seconds: those that each pattern of the package reads, forwards from its position.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from systemlog.redaction import Redactor, addresses, commands, judging, matchers, pairs, quoted
from systemlog.redaction.patterns import Engine, compile_re2
from systemlog.redaction.redactor import MAX_HITS
from tests.redaction.corpus import lookalikes, secrets
from tests.redaction.hard_lookalikes import hard_lookalikes
from tests.redaction.hard_secrets import hard_secrets
from tests.redaction.test_linear import UNITS

COMMANDS = dict(commands._COMMANDS)
LENGTH = 2048
READINGS = 24
"""The number of times that a byte may be read on average. A text of hits is read by the search, the classifier, the
matchers and the JSON decoder. If each hit read a value again, a byte would be read a hundred times."""


class Meter:
    """Counts the bytes that patterns read, and the searches for the next hit."""

    def __init__(self) -> None:
        self.read = 0
        self.asked = 0

    def search(self, search: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `search` that counts the bytes up to the end of its hit, or to the end of the data."""

        def counted(data: bytes, position: int = 0, *end: int) -> Any:
            found = search(data, position, *end)
            self.read += (len(data) if found is None else found.end()) - position
            return found

        return counted

    def match(self, match: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `match` that counts the bytes up to its end."""

        def counted(data: bytes, position: int = 0, *end: int) -> Any:
            found = match(data, position, *end)
            self.read += 1 if found is None else found.end() - position
            return found

        return counted


class Counted:
    """A compiled pattern that counts the bytes it reads."""

    def __init__(self, pattern: re.Pattern[bytes], meter: Meter) -> None:
        self.pattern = pattern
        self.meter = meter
        self.search = meter.search(pattern.search)
        self.match = meter.match(pattern.match)
        self.fullmatch = meter.match(pattern.fullmatch)
        self.sub = pattern.sub

    def finditer(self, data: bytes, position: int = 0, *end: int) -> Iterator[re.Match[bytes]]:
        """Call the pattern's `finditer` and count the bytes from hit to hit."""
        before = position
        for found in self.pattern.finditer(data, position, *end):
            self.meter.read += found.end() - before
            before = found.end()
            yield found


def readings(text: str, patch: pytest.MonkeyPatch) -> Meter:
    """Return the counts of redacting `text`."""
    meter = Meter()
    for module in (addresses, commands, judging, matchers, pairs, quoted):
        for name, pattern in list(vars(module).items()):
            if isinstance(pattern, re.Pattern):
                patch.setattr(module, name, Counted(pattern, meter))
    patch.setattr(commands, "_COMMANDS", {name: Counted(found, meter) for name, found in COMMANDS.items()})

    def compile_counted(pattern: bytes) -> Engine:
        engine = compile_re2(pattern)
        search = meter.search(engine.search)

        def asked(data: bytes, position: int = 0, /) -> Any:
            meter.asked += 1
            return search(data, position)

        return Engine(asked, engine.scan)

    redactor = Redactor(compile_pattern=compile_counted)
    redactor._classify = meter.match(redactor._classify)
    redactor.text(text)
    return meter


def repeated(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


CASES = {unit: unit for unit in UNITS} | {secret.kind: secret.text for secret in secrets()} | dict(lookalikes())
CASES |= {f"hard {secret.kind}": secret.text for secret in hard_secrets()}
CASES |= {f"cut {secret.kind}": secret.text[: len(secret.text) * 2 // 3] for secret in hard_secrets()}
CASES |= {text: text for number, (_, text) in enumerate(hard_lookalikes()) if number % 9 == 0}


@pytest.mark.parametrize("unit", CASES.values(), ids=CASES)
def test_each_byte_is_read_a_bounded_number_of_times(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    length = max(LENGTH, 8 * len(unit))
    for text in (repeated(unit, length), repeated(unit + "\n", 2 * length), repeated(f"{unit} ", 4 * length)):
        assert readings(text, monkeypatch).read <= READINGS * len(text.encode())


PARTS = (*UNITS, *CASES.values(), *" \n\"'\\=:[](){},;&<>.@/", "a" * 40, "none", "***", "\\n", "bearer ", "token")


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join), st.integers(1, 4))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_in_mixtures_of_them_too(unit: str, times: int) -> None:
    text = repeated(unit, LENGTH * times)
    with pytest.MonkeyPatch.context() as patch:
        assert readings(text, patch).read <= READINGS * len(text.encode())


@pytest.mark.parametrize("unit", UNITS)
def test_so_many_places_of_a_text_are_judged_and_no_more(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert readings(repeated(unit, 256 * 1024), monkeypatch).asked <= MAX_HITS + 3


def test_the_rest_behind_them_goes(redactor: Redactor) -> None:
    text = redactor.text("token: none, " * MAX_HITS + "then password=hunter2, user=ann")

    assert text.startswith("token: none, " * MAX_HITS + "then [redacted: the rest")
    assert text.endswith("]")
    assert redactor.text(text) == text


def test_all_texts_of_a_value_share_them(redactor: Redactor) -> None:
    value = {"note": "token: none, " * MAX_HITS, "last": "token: none", "order": "7", "password": "hunter2"}

    redacted = redactor.value({"first": value})["first"]

    assert "token" not in redacted["last"] or "token" not in redacted["note"]
    assert redacted["order"] == "7"
    assert redacted["password"] == "[redacted]"
    assert "hunter2" not in redactor.text(json.dumps(value))
