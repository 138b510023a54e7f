"""The explorer while records arrive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.test_explorer import OpenExplorer
from tests.support.explorer import Send, new_category

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [pytest.mark.browser, pytest.mark.any_database]


def test_live_shows_what_arrives(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "before"})
    with explorer(category=category) as page:
        live = page.page.get_by_role("button", name="Live")
        with page.page.expect_response(re.compile("/tail/")):
            live.click()
        assert live.get_attribute("aria-pressed") == "true"
        send(category, {"message": "arrived"})
        page.row("arrived").wait_for()
        page.shows("arrived", "before")
        live.click()
        assert live.get_attribute("aria-pressed") == "false"


def test_a_record_that_lands_late_is_shown_where_it_belongs(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "newest"}, {"message": "second"}, {"message": "third"}, {"message": "oldest"})
    with explorer(category=category, live="1") as page:
        with page.page.expect_response(re.compile("/tail/.*after=")):
            pass
        send(category, {"message": "late", "timestamp": page.time_between("third", "oldest")})
        page.row("late").wait_for()
        page.shows("newest", "second", "third", "late", "oldest")


def test_while_somebody_reads_further_down_the_list_holds_still(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, *({"message": f"m{number}"} for number in range(80)))
    with explorer(category=category, live="1") as page:
        with page.page.expect_response(re.compile("/tail/.*after=")):
            pass
        page.grid.hover()
        page.page.mouse.wheel(0, 600)
        page.row("m30").wait_for()
        place = page.row("m30").bounding_box()
        send(category, {"message": "first new"}, {"message": "second new"})
        new = page.page.get_by_role("button", name="2 new")
        new.wait_for()
        assert page.row("m30").bounding_box() == place
        assert page.row("first new").count() == 0
        assert page.page.get_by_text("Paused").is_visible()
        new.click()
        page.row("first new").wait_for()
        new.wait_for(state="hidden")


def test_a_record_that_the_tail_brings_twice_is_counted_and_shown_once(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, *({"message": f"m{number}"} for number in range(80)))
    brought: list[dict[str, Any]] = []

    def repeat(route: Route) -> None:
        answer = route.fetch()
        brought.extend(answer.json()["items"])
        route.fulfill(response=answer, json={**answer.json(), "items": brought})

    with explorer(category=category, live="1") as page:
        page.page.route(re.compile("/tail/"), repeat)
        with page.page.expect_response(re.compile("/tail/.*after=")):
            pass
        page.grid.hover()
        page.page.mouse.wheel(0, 600)
        page.row("m30").wait_for()
        send(category, {"message": "only once"})
        page.page.get_by_role("button", name="1 new").wait_for()
        for _ in range(2):
            with page.page.expect_response(re.compile("/tail/.*after=")):
                pass
        page.page.get_by_role("button", name="1 new", exact=True).click()
        page.row("only once").wait_for()
        assert page.row("only once").count() == 1


def test_the_focused_bar_keeps_the_focus_while_records_arrive(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "before"})
    with explorer(category=category, live="1") as page:
        with page.page.expect_response(re.compile("/tail/.*after=")):
            pass
        page.page.get_by_role("group", name="Histogram").locator("a[tabindex='0']").focus()
        send(category, {"message": "arrived"})
        page.row("arrived").wait_for()
        assert page.page.evaluate("document.activeElement.closest('[data-part=bars]') !== null")
