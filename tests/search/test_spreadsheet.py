"""CSV in spreadsheets, each of which may split lines at another delimiter."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.search.spreadsheet import harmless, harmless_json

HOSTILE = [
    "=1",
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\xa0=1",
    "\x00=1",
    "\x7f=1",
    "\ufeff=1",
    "\u200b=1",
    '"=1',
    "＝1",  # noqa: RUF001  (forms that spreadsheets take as well)
    "＋1",  # noqa: RUF001  (forms that spreadsheets take as well)
    "－1",  # noqa: RUF001  (forms that spreadsheets take as well)
    "＠SUM(1)",  # noqa: RUF001  (forms that spreadsheets take as well)
    " ＝1",  # noqa: RUF001  (forms that spreadsheets take as well)
    "a;=1",
    "a; =1",
    'a;"=1"',
    "a\t=1",
    "a\n=1",
    "a\n\n=1",
    "a\r\n@x",
    "a|+1",
    "a;;-1",
    "a\u2028=1",
    "\n",
]
START = re.compile(r"[\s\x00-\x1f\x7f-\x9f\"\ufeff\u200b]*")


def computes(cell: str) -> bool:
    """Return whether a spreadsheet that normalizes and trims a cell would take it for a formula."""
    rest = START.sub("", unicodedata.normalize("NFKC", cell), count=1)
    return rest[:1] in {"=", "+", "-", "@"}


def cells_of(value: str) -> list[str]:
    """Return every cell that some spreadsheet, by its delimiter, may see in a line that holds the value."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(["id", value, "end"])
    line = text.getvalue()
    found = list(next(csv.reader(io.StringIO(line, newline=""))))
    for delimiter in (";", "\t", "|"):
        found += [cell for row in re.split("[\r\n\u2028\u2029\x85]", line) for cell in row.split(delimiter)]
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_a_spreadsheet_sees_no_formula_in_a_cell(text: str) -> None:
    assert not any(computes(cell) for cell in cells_of(harmless(text) or ""))


@pytest.mark.parametrize("text", ["", "plain", "a = b", "x-y, +1, -5", "a;b", "a\nb", "e-mail: a@b.example", "1;2"])
def test_a_text_without_a_formula_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


@given(st.text(alphabet=st.sampled_from("=+-@＝＠;|,\t\r\n \"'a1\x00\xa0\ufeff"), max_size=30))  # noqa: RUF001  (forms that spreadsheets take as well)
def test_no_text_gives_a_formula_in_any_cell(text: str) -> None:
    assert not any(computes(cell) for cell in cells_of(harmless(text) or ""))


@given(st.text(alphabet=st.sampled_from("=+-@＝;|,\t\n \"'\\\\a1"), max_size=30), st.integers(-9, 9))  # noqa: RUF001  (forms that spreadsheets take as well)
def test_json_keeps_its_values_and_gives_no_formula(text: str, number: int) -> None:
    value = {text: [text, -5, {"a": number, "b;": number}]}
    given = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    written = harmless_json(given)
    assert json.loads(written) == value
    assert not any(computes(cell) for cell in cells_of(written))


@pytest.mark.parametrize("unit", [";", "\n", " ", ';"', "; ", ";=", "\n ="])
def test_a_long_text_costs_no_more_than_its_length(unit: str) -> None:
    text = unit * (2**18 // len(unit))
    began = time.process_time()
    harmless(text)
    harmless_json(text)
    assert time.process_time() - began < 2
