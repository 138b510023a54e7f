"""Whatever a record holds is shown as text, and every state is accessible, at both sizes and in both colour schemes."""

from __future__ import annotations

import re

import pytest

from tests.console.test_explorer import OpenExplorer
from tests.console.test_explorer_failures import LIST_OF_API, NOTHING, UNAVAILABLE, answers, problem
from tests.support.browser import SIZES
from tests.support.explorer import TRACEBACK, Send, new_category

pytestmark = [pytest.mark.browser, pytest.mark.any_database]

MARKUP = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>\"'&amp;"


def test_markup_in_a_record_stays_text(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    evil = {"message": MARKUP, "source": MARKUP, "user_id": MARKUP, "context": {MARKUP: MARKUP, "exception": MARKUP}}
    send(category, {**evil, "correlation_id": MARKUP, "subject": MARKUP, "trace_id": MARKUP})
    with explorer(category=category, columns="category,source,user_id,correlation_id", query="script") as page:
        page.shows(MARKUP)
        page.row("script").click()
        page.record.get_by_text("onerror").first.wait_for()
        page.facets.get_by_role("button", name=re.compile("^Only source <script>")).click()
        page.chips.filter(has_text="<script>").wait_for()
        assert page.page.evaluate("window.ran") is None
        assert page.page.locator("main img, main script").count() == 0


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a \x1b[31mred\x1b[0m word", "a ␛[31mred␛[0m word"),
        ("user \u202egnp.exe", "user ⟨U+202E⟩gnp.exe"),
        ("zero\u200bwidth \ufeff", "zero⟨U+200B⟩width ⟨U+FEFF⟩"),
        ("two\nlines\tand\x07 a bell", "two ↵ lines and␇ a bell"),
    ],
    ids=["ANSI", "bidi", "invisible", "controls"],
)
def test_characters_that_would_deceive_are_shown(explorer: OpenExplorer, send: Send, message: str, shown: str) -> None:
    category = new_category()
    send(category, {"message": message})
    with explorer(category=category) as page:
        page.shows(shown)


def test_64_kib_without_a_space_break_nothing(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "x" * 65_000, "source": "s" * 200, "context": {"long": "y" * 60_000}})
    with explorer(category=category) as page:
        page.page.get_by_role("row").filter(has_text="xxx").click()
        page.record.get_by_role("button", name="all 65,000 characters").click()
        assert len(page.record.locator("pre.message").inner_text()) == 65_000
        assert page.visit.has_no_sideways_scroll()
        assert page.record.evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_million_keys_are_built_a_hundred_at_a_time(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    (record_id,) = send(category, {"message": "many"})
    with explorer(category=category) as page:
        body = page.page.evaluate("id => fetch(`/system/logs/${id}/`).then(answer => answer.json())", record_id)
        context = "{" + ",".join(f'"k{number}":{number}' for number in range(1_000_000)) + "}"
        text = '{"message": "many", "level": "INFO", "category": "c", "timestamp": "%s", "id": "%s", "context": %s}'
        answer = text % (body["timestamp"], record_id, context)
        with answers(
            page,
            re.compile(rf"/system/logs/{record_id}/$"),
            lambda route: route.fulfill(body=answer, content_type="application/json"),
        ):
            page.row("many").click()
            page.record.get_by_role("button", name="999,900 more").click(timeout=60_000)
            page.record.get_by_role("button", name="999,800 more").wait_for()
            assert page.record.locator(".tree > li").count() == 201


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_every_state_is_accessible(explorer: OpenExplorer, send: Send, size: tuple[int, int]) -> None:
    category = new_category()
    send(
        category,
        {
            "message": "m0 failed",
            "level": "ERROR",
            "source": "a",
            "context": {"exception": TRACEBACK, "order": {"id": 7}},
        },
        {"message": "m1 warned", "level": "WARNING"},
        {"message": "m2 fatal", "level": "CRITICAL"},
        {"message": "m3 fine", "correlation_id": "c-1"},
        {"message": "m4 noise", "level": "DEBUG"},
    )
    with explorer(size=size, category=category, level_not="nothing") as page:
        page.visit.problems.clear()
        found = {}
        found["mistake"] = page.visit.axe()
        page.open(category=category, source_not="b", query="failed", columns="category,source,context.order.id")
        page.page.locator("[data-part=level] li").first.wait_for(state="attached")
        found["marked"] = page.visit.axe()
        page.row("m0").click()
        page.record.get_by_text("no answer from the gateway").wait_for()
        found["record"] = page.visit.axe()
        assert page.visit.has_no_sideways_scroll()
        page.page.keyboard.press("Escape")
        for name in ("Patterns", "Views", "Columns", "Help"):
            page.page.get_by_role("button", name=name).click()
            found[name] = page.visit.axe()
            page.page.keyboard.press("Escape")
        page.page.get_by_role("button", name="Last 24 hours").click()
        found["time"] = page.visit.axe()
        page.page.keyboard.press("Escape")
        page.page.get_by_role("button", name="Save view").click()
        found["dialog"] = page.visit.axe()
        page.page.keyboard.press("Escape")
        page.open(category=category, live="1")
        found["live"] = page.visit.axe()
        with answers(page, LIST_OF_API, problem(UNAVAILABLE)):
            page.search("m1 ")
            page.alert.wait_for()
            found["failing"] = page.visit.axe()
        page.visit.problems.clear()
        with answers(page, LIST_OF_API, lambda route: route.fulfill(json=NOTHING)):
            page.open()
            found["welcome"] = page.visit.axe()
            page.open(source="x", since="-1h")
            found["nothing"] = page.visit.axe()
        assert {name: faults for name, faults in found.items() if faults} == {}
