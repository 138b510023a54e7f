"""One error is one group, whatever its values, its line numbers and the folder that it runs in."""

from __future__ import annotations

import time
import traceback

import pytest

from systemlog.fingerprints import tracebacks
from systemlog.fingerprints.records import identify
from tests.fingerprints.samples import CHAINED, CHANGES, GROUP, ONE_MORE, PYTHON, SAMPLES


def group(exception: object, **context: object) -> str:
    return identify("c", "m", {"exception": exception, **context}).id


@pytest.mark.parametrize("language", SAMPLES)
def test_values_lines_and_folders_make_no_other_group(language: str) -> None:
    first, second = (SAMPLES[language].format(**change) for change in CHANGES)
    assert first != second
    assert group(first) == group(second)


@pytest.mark.parametrize("language", SAMPLES)
@pytest.mark.parametrize("name", ["pay", "Pay"])
def test_another_function_makes_another_group(language: str, name: str) -> None:
    text = SAMPLES[language].format(**CHANGES[0])
    if name in text:
        assert group(text) != group(text.replace(name, "refund"))


@pytest.mark.parametrize(
    ("language", "kind"),
    [("python", "PaymentRefused"), ("java", "PaymentRefusedException"), ("javascript", "TypeError"),
     ("go", "index out of range"), ("dotnet", "PaymentRefusedException")],
)  # fmt: skip
def test_another_type_makes_another_group(language: str, kind: str) -> None:
    text = SAMPLES[language].format(**CHANGES[0])
    assert kind in text
    assert group(text) != group(text.replace(kind, "Other"))


@pytest.mark.parametrize(
    ("language", "installed"),
    [("python", "requests/api.py"), ("java", "FrameworkServlet.java"), ("javascript", "router/layer.js"),
     ("go", "runtime/panic.go"), ("dotnet", "TaskAwaiter.HandleNonSuccess")],
)  # fmt: skip
def test_frames_of_installed_packages_do_not_count(language: str, installed: str) -> None:
    text = SAMPLES[language].format(**CHANGES[0])
    lines = text.split("\n")
    number = next(number for number, line in enumerate(lines) if installed in line)
    of_a_frame = range(number - 1, number + 1) if language == "go" else range(number, number + 1)
    rest = "\n".join(line for at, line in enumerate(lines) if at not in of_a_frame)
    assert group(text) == group(rest)


@pytest.mark.parametrize("language", sorted(SAMPLES.keys() - {"firefox"}))
def test_a_traceback_in_the_message_counts_like_one_in_the_context(language: str) -> None:
    first, second = (SAMPLES[language].format(**change) for change in CHANGES)
    for message in (
        first,
        f"10:22:07 ERROR the request failed: 17\n{second}",
        f"failed\r\n{first}".replace("\n", "\r\n"),
    ):
        found = identify("c", message, {})
        assert (found.id, found.by_traceback) == (group(first), False)
        assert identify("another", message, {}) == found
        assert identify("c", message, {"template": "failed %s"}).kind == "message"


@pytest.mark.parametrize(
    "message",
    ["one line at x (a.js:3:4)", "root@server:22\nis away", " at noon: 3\n at night", "a\n  at home\n", "x\n in (a) "],
)
def test_a_message_of_several_lines_without_a_traceback_is_told_by_its_template(message: str) -> None:
    assert identify("c", message, {}).kind == "message"


def test_the_last_of_a_chain_counts() -> None:
    text = PYTHON.format(**CHANGES[0])
    assert group(CHAINED.format(cause="'a'") + text) == group(text)


def test_a_traceback_in_the_text_of_an_exception_is_a_value() -> None:
    text = PYTHON.format(**CHANGES[0])
    inside = "Traceback (most recent call last):\n  File \"/app/other.py\", line 3, in other\nKeyError: 'x'"
    assert group(text) == group(f"{text}\n{inside}")


def test_without_own_frames_the_innermost_counts() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/usr/lib/python3.12/threading.py", line 1, in run\n'
        '  File "/x/site-packages/kombu/connection.py", line 2, in {}\nOSError: gone'
    )
    assert group(text.format("connect")) != group(text.format("close"))
    assert tracebacks.parse(text.format("connect")).places == ("kombu/connection.py:connect",)


def test_recursion_of_another_depth_is_the_same_error() -> None:
    def fall(depth: int) -> None:
        if depth == 0:
            raise ValueError("deep")
        fall(depth - 1)

    def fallen(depth: int) -> str:
        try:
            fall(depth)
        except ValueError:
            return traceback.format_exc()
        return ""

    assert group(fallen(2)) == group(fallen(3)) == group(fallen(50))


def test_kinds_of_exceptions_in_a_group_count_and_not_their_number() -> None:
    one = GROUP.format(line=3, count=1, kind="ValueError", value=4, more="")
    two = GROUP.format(line=4, count=2, kind="ValueError", value=5, more=ONE_MORE.replace("TimeoutError", "ValueError"))
    other = GROUP.format(line=3, count=2, kind="ValueError", value=4, more=ONE_MORE)
    assert group(one) == group(two) != group(other)


def test_exception_groups_of_python_itself_are_read() -> None:
    def fail(*errors: Exception) -> str:
        try:
            raise ExceptionGroup("several", list(errors))
        except ExceptionGroup:
            return traceback.format_exc()

    nested = fail(ValueError(1), ExceptionGroup("inner", [TypeError(2)]))
    assert group(fail(ValueError(1))) == group(fail(ValueError(2), ValueError(3)))
    assert group(fail(ValueError(1))) != group(fail(TypeError(1))) != group(nested)


def test_an_exception_without_frames_is_told_by_its_type_and_the_record() -> None:
    assert group("ValueError: 1 is wrong") == group("ValueError: 2 is wrong")
    assert group("ValueError: x") != group("KeyError: x")
    assert identify("a", "m", {"exception": "ValueError: x"}).id != identify("b", "m", {"exception": "ValueError"}).id


@pytest.mark.parametrize(
    "context",
    [
        {"exception.type": "shop.billing.gateway.PaymentRefused", "exception.stacktrace": PYTHON},
        {"error": {"stack_trace": PYTHON}},
        {"err": {"stack": PYTHON, "type": "Error"}},
        {"stack": PYTHON},
    ],
)
def test_tracebacks_are_found_where_other_programs_put_them(context: dict[str, object]) -> None:
    assert identify("c", "m", context).id == group(PYTHON)


def test_tracebacks_of_structlog_are_read() -> None:
    frames = [
        {"filename": "/srv/a/shop/billing/views.py", "lineno": 3, "name": "charge"},
        {"filename": "/srv/a/shop/billing/gateway.py", "lineno": 9, "name": "pay"},
    ]
    one = [{"exc_type": "PaymentRefused", "exc_value": "order 1", "frames": frames}]
    two = [{"exc_type": "PaymentRefused", "exc_value": "order 2", "frames": frames}, {"exc_type": "KeyError"}]
    assert group(one) == group(two)


@pytest.mark.parametrize(
    "context",
    [{"exception": value} for value in (None, 3, [], {}, [3], [{"frames": 3}], [{"frames": [3, {}]}], "", "\n", " :")],
)
def test_any_context_has_a_group(context: dict[str, object]) -> None:
    identity = identify("c", "m", context)
    assert len(identity.id) == 16
    assert identity.id.isalnum()
    assert identity.title


@pytest.mark.parametrize(
    "text",
    [
        "   at " + "a" * 60_000 + "(",
        "   at " + "a.b(c) in " * 6000,
        "\n".join(["   at x(y"] * 6000),
        '  File "' + "/" * 60_000,
        "Traceback (most recent call last):\n" + "  + | " * 10_000,
        "x.go:1\n" * 9000,
        "f(\n\t/a.go:" * 6000,
        "(" * 60_000 + ".go:",
        "\n" * 60_000 + "a.go:",
        "   at " + "x [as " * 9000,
        "a@" * 30_000,
    ],
)
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    began = time.process_time()
    group(text)
    assert time.process_time() - began < 1
