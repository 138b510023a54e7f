"""W3C Trace Context, level 2: the cases of the specification, and the outgoing headers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from systemlog.correlation import tracecontext
from tests.support.correlation import Get

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    "traceparent",
    [
        pytest.param(VALID, id="version 00"),
        pytest.param(f" \t{VALID}\t ", id="white space around it"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01", id="a future version"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-and-what-it-may-bring", id="a future version with more to say"),
        pytest.param(f"00-{TRACE}-{PARENT}-ff", id="flags not known yet"),
    ],
)
def test_a_valid_traceparent_names_the_trace(traceparent: str) -> None:
    trace = tracecontext.read(traceparent)

    assert trace is not None
    assert trace.trace_id == TRACE


@pytest.mark.parametrize(
    "traceparent",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{VALID},{VALID}", id="two headers, joined"),
        pytest.param(f"{VALID}-", id="00 with a dash more"),
        pytest.param(f"{VALID}-more", id="00 with trailing data"),
        pytest.param(f"{VALID}.", id="00 with a trailing dot"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01.more", id="a future version that goes on without a dash"),
        pytest.param(f"ff-{TRACE}-{PARENT}-01", id="version ff"),
        pytest.param(f".0-{TRACE}-{PARENT}-01", id="version not hexadecimal"),
        pytest.param(f"0-{TRACE}-{PARENT}-01", id="version too short"),
        pytest.param(f"000-{TRACE}-{PARENT}-01", id="version too long"),
        pytest.param(f"00-{'0' * 32}-{PARENT}-01", id="trace id of zeros"),
        pytest.param(f"00-{TRACE[:-1]}.-{PARENT}-01", id="trace id not hexadecimal"),
        pytest.param(f"00-{TRACE[:-1]}-{PARENT}-01", id="trace id too short"),
        pytest.param(f"00-{TRACE}0-{PARENT}-01", id="trace id too long"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="parent id of zeros"),
        pytest.param(f"00-{TRACE}-{PARENT[:-1]}.-01", id="parent id not hexadecimal"),
        pytest.param(f"00-{TRACE}-{PARENT[:-1]}-01", id="parent id too short"),
        pytest.param(f"00-{TRACE}-{PARENT}0-01", id="parent id too long"),
        pytest.param(f"00-{TRACE}-{PARENT}-.0", id="flags not hexadecimal"),
        pytest.param(f"00-{TRACE}-{PARENT}-1", id="flags too short"),
        pytest.param(f"00-{TRACE}-{PARENT}-001", id="flags too long"),
        pytest.param(VALID.upper(), id="upper case"),
        pytest.param(f"{VALID}\n", id="trailing newline"),
        pytest.param(f"00-{TRACE}-{PARENT}-0\u0661", id="a digit, but not of ASCII"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-{'x' * 600}", id="oversize"),
    ],
)
def test_anything_else_is_no_traceparent(traceparent: str) -> None:
    assert tracecontext.read(traceparent) is None


def members(count: int) -> str:
    return ",".join(f"vendor{number}={number}" for number in range(count))


@pytest.mark.parametrize(
    ("tracestate", "expected"),
    [
        pytest.param("foo=1,bar=2", "foo=1,bar=2", id="two members"),
        pytest.param("foo=1 \t , \tbar=2", "foo=1,bar=2", id="white space between"),
        pytest.param("foo=1,,bar=2, ", "foo=1,bar=2", id="empty members"),
        pytest.param("foo= 1", "foo= 1", id="a value beginning with a blank"),
        pytest.param("0foo_-*/@x=1", "0foo_-*/@x=1", id="all characters of a key"),
        pytest.param("foo@=1,bar=2", "foo@=1,bar=2", id="a key ending with an at sign"),
        pytest.param("foo@bar@baz=1", "foo@bar@baz=1", id="a key with two at signs"),
        pytest.param(f"foo=1,{'z' * 256}=1", f"foo=1,{'z' * 256}=1", id="the longest key"),
        pytest.param(f"foo={'v' * 256}", f"foo={'v' * 256}", id="the longest value"),
        pytest.param(members(32), members(32), id="32 members"),
        pytest.param("foo=1,bar=2,foo=3", "foo=1,bar=2", id="the same key twice"),
    ],
)
def test_a_valid_tracestate_goes_on(tracestate: str, expected: str) -> None:
    assert tracecontext.read_tracestate(tracestate) == expected


@pytest.mark.parametrize(
    "tracestate",
    [
        pytest.param("foo", id="no value"),
        pytest.param("foo=,bar=3", id="an empty value"),
        pytest.param("foo=bar=baz", id="an equals sign in a value"),
        pytest.param("foo=b\u00e4r", id="a value not ASCII"),
        pytest.param("foo=a\tb", id="a tab in a value"),
        pytest.param("foo =1", id="a blank in a key"),
        pytest.param("FOO=1", id="an upper case key"),
        pytest.param("foo.bar=1", id="a dot in a key"),
        pytest.param("@foo=1,bar=2", id="a key beginning with an at sign"),
        pytest.param(f"foo=1,{'z' * 257}=1", id="a key too long"),
        pytest.param(f"foo={'v' * 257}", id="a value too long"),
        pytest.param(members(33), id="33 members"),
    ],
)
def test_one_bad_member_spoils_the_tracestate(tracestate: str) -> None:
    assert tracecontext.read_tracestate(tracestate) == ""


def test_what_is_too_much_loses_the_long_members_first_and_then_the_last() -> None:
    long = f"long={'v' * 200}"
    short = [f"m{number}={'v' * 90}" for number in range(6)]

    assert tracecontext.read_tracestate(",".join([long, *short])) == ",".join(short[:5])


@given(st.text(max_size=600), st.text(max_size=600))
def test_whatever_comes_is_read_or_refused(traceparent: str, tracestate: str) -> None:
    assert tracecontext.read(traceparent, tracestate) is None


@given(st.from_regex(r"[a-z0-9=,\-_@*/ ]{0,600}", fullmatch=True))
def test_what_goes_on_is_valid_and_not_too_long(tracestate: str) -> None:
    passed = tracecontext.read_tracestate(tracestate)

    assert len(passed) <= tracecontext.MAX_TRACESTATE_LENGTH
    assert tracecontext.read_tracestate(passed) == passed


def test_each_outgoing_call_has_a_parent_id_of_its_own() -> None:
    trace = tracecontext.read(VALID, "foo=1")
    assert trace is not None
    calls = [trace.headers() for _ in range(3)]

    assert {call["tracestate"] for call in calls} == {"foo=1"}
    assert len({call["traceparent"] for call in calls}) == 3
    assert all(re.fullmatch(rf"00-{TRACE}-(?!{PARENT})[0-9a-f]{{16}}-01", call["traceparent"]) for call in calls)


@pytest.mark.parametrize(("received", "sent"), [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03")])
def test_only_known_flags_go_on(received: str, sent: str) -> None:
    trace = tracecontext.read(f"00-{TRACE}-{PARENT}-{received}")

    assert trace is not None
    assert trace.headers()["traceparent"].endswith(f"-{sent}")


def test_a_new_trace_says_that_its_id_is_random() -> None:
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-02", tracecontext.start().headers()["traceparent"])


def test_a_request_takes_part_in_the_trace_of_its_caller(get: Get) -> None:
    assert get("/seen", headers={"traceparent": VALID}).json()["trace_id"] == TRACE


def test_a_request_with_a_bad_traceparent_starts_a_new_trace(get: Get) -> None:
    trace_id = get("/seen", headers={"traceparent": VALID.upper()}).json()["trace_id"]

    assert re.fullmatch(r"[0-9a-f]{32}", trace_id)
    assert trace_id != TRACE


def test_a_request_that_nobody_traces_has_no_trace(get: Get) -> None:
    assert get("/seen", headers={"tracestate": "foo=1"}).json()["trace_id"] is None
