"""The text that people type into the search box: what it asks for, and where its mistakes are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from systemlog.problems import InvalidParameters
from systemlog.search.parsing.parameters import read_query
from systemlog.search.parsing.query import Constraint, Query
from systemlog.search.parsing.typed import FIELDS, read_typed

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def read(text: str, **parameters: str) -> Query:
    query = QueryDict(mutable=True)
    query.update({"query": text, **parameters})
    return read_query(query, known={"since", "until"}, now=NOW)


def excluded(field: str, *values: str) -> Query:
    return Query(none_of=(Constraint(field, values),))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("  \t ", Query()),
        ("charge failed", Query(terms=("charge", "failed"))),
        ('"charge failed"', Query(terms=("charge failed",))),
        ('a"b 5" it"s', Query(terms=('a"b', '5"', 'it"s'))),
        (r'"say \"hi\" C:\dir \\"', Query(terms=(r'say "hi" C:\dir ' + "\\",))),
        ("12:30 -", Query(terms=("12:30", "-"))),
        ('"level:error"', Query(terms=("level:error",))),
        ("level:error", Query(levels=("ERROR",))),
        ("Level:error LEVEL:info", Query(levels=("ERROR", "INFO"))),
        ("min_level:warning", Query(min_level="WARNING")),
        ("category:audit.* category:b", Query(categories=("audit.*", "b"))),
        ('category:"my shop"', Query(categories=("my shop",))),
        ("source:w1", Query(source="w1")),
        ("source:w1 source:w2", Query(any_of=(Constraint("source", ("w1", "w2")),))),
        ("user_id:7", Query(user_id="7")),
        ("user:7", Query(user_id="7")),
        ("subject:shop.order:7", Query(subject="shop.order:7")),
        ("correlation_id:c trace_id:t", Query(correlation_id="c", trace_id="t")),
        ("context.a.b:7", Query(context=(("a.b", "7"),))),
        ("CONTEXT.Aa:7", Query(context=(("Aa", "7"),))),
        ('context.a:"b c" context.d:e', Query(context=(("a", "b c"), ("d", "e")))),
        ("context.a:1 context.a:2", Query(any_of=(Constraint("context.a", ("1", "2")),))),
        ("-word", excluded("message", "word")),
        ("--word", excluded("message", "-word")),
        ('-"a phrase"', excluded("message", "a phrase")),
        ("-level:debug -level:info", excluded("level", "DEBUG", "INFO")),
        ("-category:x.*", excluded("category", "x.*")),
        ("-user_id:7", excluded("user_id", "7")),
        ('-source:"w 1"', excluded("source", "w 1")),
        ("-context.a.b:7", excluded("context.a.b", "7")),
        ("since:-1h", Query(since=NOW - timedelta(hours=1))),
        ("since:2026-05-06T07:00:00Z", Query(since=NOW.replace(minute=0, second=0))),
        ('until:"2026-05-06T09:00:00 02:00"', Query(until=NOW.replace(minute=0, second=0) + MICROSECOND)),
        ("since:-9999999999w", None),
    ],
)
def test_a_text_is_read_into_filters(text: str, query: Query | None) -> None:
    if query is None:
        with pytest.raises(InvalidParameters):
            read(text)
    else:
        assert read(text) == query


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("level:nope", ["nope"]),
        ("a level:nope b", ["nope"]),
        ("-level:nope", ["nope"]),
        ("min_level:3", ["3"]),
        ("nope:x level:error", ["nope"]),
        ("order.id:7", ["order.id"]),
        ("http://a", ["http"]),
        ('a "without an end', ['"without an end']),
        ('category:"x', ['"x']),
        ("since:yesterday", ["yesterday"]),
        ("until:-5", ["-5"]),
        ("since:-1h until:-2h", ["-1h"]),
        ("level:", ["level:"]),
        ('level:"" x', ['""']),
        ('""', ['""']),
        ("-since:-1h", ["since:-1h"]),
        ("-min_level:info", ["min_level:info"]),
        ("-correlation_id:c", ["correlation_id:c"]),
        ("since:-1h since:-2h", ["since:-2h"]),
        ("min_level:info min_level:error", ["min_level:error"]),
        ("context.:1", ["context.:1"]),
        ("context.a.b.c.d.e.f.g:1", ["context.a.b.c.d.e.f.g:1"]),
        ("level:x nope:y since:z", ["x", "nope", "z"]),
        (" ".join(["w"] * 21), ["w"]),
        (" ".join(f"context.{key}:1" for key in "abcdef"), ["context.f:1"]),
        ("category:x " * 101, ["category:x"]),
        ("x" * 4001, ["x"]),
    ],
)
def test_a_mistake_has_its_place(text: str, wrong: list[str]) -> None:
    with pytest.raises(InvalidParameters) as raised:
        read(text)
    found = []
    for error in raised.value.errors:
        assert (error.parameter, error.code) == ("query", "invalid")
        assert error.column is not None
        assert error.length is not None
        found.append(text[error.column - 1 : error.column - 1 + error.length])
    assert found == wrong


def test_what_was_typed_narrows_what_the_parameters_ask_for() -> None:
    assert read("level:info", level="error") == Query(levels=("ERROR",), any_of=(Constraint("level", ("INFO",)),))
    assert read("user_id:8", user_id="7") == Query(user_id="7", any_of=(Constraint("user_id", ("8",)),))
    assert read("b", q="a").terms == ("a", "b")
    assert read("min_level:info", min_level="error").min_level == "ERROR"
    assert read("min_level:error", min_level="info").min_level == "ERROR"
    assert read("since:-7d", since="-1h").since == NOW - timedelta(hours=1)
    assert read("since:-1h", since="-7d").since == NOW - timedelta(hours=1)
    assert read("until:-1h", until="-2h").until == NOW - timedelta(hours=2) + MICROSECOND
    assert read("context.a:1", **{"context.b": "2"}).context == (("b", "2"), ("a", "1"))


def test_the_next_page_is_read_though_typed_times_have_moved_past_each_other() -> None:
    """The cursor has the bounds of the first page, at which `since` was not after `until`."""
    parameters = QueryDict("query=since:-1h+until:2026-05-06T07:00:00Z&cursor=x")
    for hours in (0, 5):
        query = read_query(parameters, known={"cursor"}, now=NOW + timedelta(hours=hours))
        assert query.until == NOW.replace(minute=0, second=0) + MICROSECOND


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
fields = st.sampled_from([field for field in FIELDS if "<" not in field])
pieces = st.one_of(texts, fields, st.sampled_from(['"', "-", ":", " ", "\\", "context.", "-1h", "error"]))


@given(st.lists(pieces, max_size=30).map("".join))
def test_any_text_is_read_or_its_mistakes_lie_within_it(text: str) -> None:
    typed = read_typed(text, NOW)
    for detail, column, length in typed.mistakes:
        assert detail
        assert 1 <= column <= column + length - 1 <= len(text)


@given(st.lists(texts.filter(str.strip), min_size=1, max_size=20))
def test_any_text_can_be_quoted(values: list[str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    typed = read_typed(" ".join(map(quoted, values)), NOW)
    assert (typed.mistakes, typed.any_of) == ([], {"message": tuple(values)})
    typed = read_typed("".join(f" -category:{quoted(value)}" for value in values), NOW)
    assert (typed.mistakes, typed.none_of) == ([], {"category": tuple(values)})


@given(
    st.lists(st.from_regex(r"[^\s:\"-][^\s:\"]*", fullmatch=True).filter(lambda word: "\x00" not in word), max_size=20)
)
def test_words_without_a_colon_are_terms(words: list[str]) -> None:
    typed = read_typed(" ".join(words), NOW)
    assert (typed.mistakes, typed.any_of.get("message", ())) == ([], tuple(words))
