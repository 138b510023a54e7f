"""What the explorer says when the server is busy, away or refuses, or a search is partial or finds nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.test_explorer import OpenExplorer
from tests.support.explorer import Explorer, Send, new_category

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [pytest.mark.browser, pytest.mark.any_database]

LIST_OF_API = re.compile(r"/system/logs/\?")
UNAVAILABLE = {
    "type": "/problems/log-store-unavailable",
    "title": "The log store is unavailable",
    "status": 503,
    "detail": "The database of the system log does not answer.",
    "correlation_id": "c-503",
}
NOTHING = {
    "items": [],
    "total": 0,
    "total_relation": "eq",
    "complete": True,
    "searched_until": None,
    "next": None,
    "previous": None,
}


@contextmanager
def answers(page: Explorer, pattern: Any, answer: Callable[[Route], None]) -> Any:
    """Answer requests in place of the server."""
    page.page.route(pattern, answer)
    try:
        yield
    finally:
        page.page.unroute(pattern)


def problem(body: dict[str, Any], **headers: str) -> Callable[[Route], None]:
    """An answer that is a problem."""
    return lambda route: route.fulfill(
        status=body["status"], json=body, headers={"Content-Type": "application/problem+json", **headers}
    )


def test_a_search_that_fails_is_told_at_once_and_what_is_shown_stays(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "m0 kept"}, {"message": "m1"})
    with explorer(category=category) as page:
        with answers(page, LIST_OF_API, problem(UNAVAILABLE)):
            page.search("m1 ")
            page.alert.filter(has_text="The log store is unavailable").wait_for()
            assert "c-503" in page.alert.inner_text()
            assert "Trying again" in page.alert.inner_text()
            page.shows("m0 kept", "m1")
        page.alert.wait_for(state="hidden")
        page.shows("m1")
        page.visit.problems.clear()  # Chromium logs the status


def test_a_network_that_is_away_is_told_and_the_search_is_made_when_it_is_back(
    explorer: OpenExplorer, send: Send
) -> None:
    category = new_category()
    send(category, {"message": "m0"}, {"message": "m1"})
    with explorer(category=category) as page:
        with answers(page, LIST_OF_API, lambda route: route.abort()):
            page.search("m1 ")
            page.alert.filter(has_text="The server does not answer").wait_for()
        page.shows("m1")
        page.visit.problems.clear()


def test_an_error_that_no_repetition_mends_has_its_correlation_id_and_a_button(
    explorer: OpenExplorer, send: Send
) -> None:
    category = new_category()
    send(category, {"message": "m0"}, {"message": "m1"})
    broken = {"title": "Internal server error", "status": 500, "correlation_id": "c-500"}
    with explorer(category=category) as page:
        with answers(page, LIST_OF_API, problem(broken)):
            page.search("m1 ")
            page.alert.filter(has_text="c-500").wait_for()
            page.shows("m0", "m1")
        page.alert.get_by_role("button", name="Try again").click()
        page.shows("m1")
        page.visit.problems.clear()


def test_facets_fail_alone(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "m0"})
    with explorer() as page:
        with answers(page, re.compile("/facets/"), problem(UNAVAILABLE)):
            page.open(category=category)
            page.shows("m0")
            page.facets.get_by_text("The log store is unavailable").first.wait_for()
            assert not page.alert.is_visible()
        page.facets.get_by_role("button", name="Try again").first.click()
        page.facets.get_by_role("button", name=f"Only category {category}").wait_for()
        page.visit.problems.clear()


def test_a_partial_search_says_how_far_it_came_and_goes_on(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "m0 here"}, {"message": "m1 beyond"})
    with explorer() as page:

        def partial(route: Route) -> None:
            body = route.fetch().json()
            if "cursor=" in route.request.url:
                route.fulfill(json=body)
                return
            last = body["items"].pop()
            cursor = f"http://elsewhere/system/logs/?category={category}&cursor=x"
            route.fulfill(json={**body, "complete": False, "searched_until": last["timestamp"], "next": cursor})

        with answers(page, LIST_OF_API, partial):
            page.open(category=category)
            page.page.get_by_text(re.compile(r"Partial: the search came back to \d{4}-")).wait_for()
            assert page.page.get_by_role("button", name="Go on from there").is_visible()


def test_a_total_that_is_a_lower_bound_says_so(explorer: OpenExplorer) -> None:
    with explorer() as page:
        body = {**NOTHING, "total": 10_000, "total_relation": "gte"}
        with answers(page, LIST_OF_API, lambda route: route.fulfill(json=body)):
            page.open(since="-1h")
            page.page.get_by_role("status").filter(has_text="at least 10,000 records").wait_for()


def test_where_nothing_is_found_filters_can_be_dropped(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "m0"})
    with explorer(category=category, source="nobody", since="-1h") as page:
        page.page.get_by_role("button", name="without source nobody").click()
        page.shows("m0")


def test_a_day_without_records_shows_all_of_time(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "old", "timestamp": "2020-03-17T16:13:38Z"})
    with explorer(category=category) as page:
        page.shows("old")
        page.page.get_by_text("Nothing in the last 24 hours, so all of time is shown.").wait_for()
        assert page.page.get_by_role("button", name="All time").is_visible()


def test_an_empty_log_says_how_to_send_a_first_record(explorer: OpenExplorer) -> None:
    with explorer() as page, answers(page, LIST_OF_API, lambda route: route.fulfill(json=NOTHING)):
        page.open()
        page.page.get_by_role("heading", name="No records yet").wait_for()
        assert "/system/logs/" in page.page.get_by_text("curl ").inner_text()


def test_a_tail_with_a_gap_reads_the_list_anew(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "m0"})
    with explorer(category=category) as page:
        gap = {"items": [], "after": "x", "more": False, "gap": True}
        with answers(page, re.compile("/tail/"), lambda route: route.fulfill(json=gap)):
            page.page.get_by_role("button", name="Live").click()
            page.page.get_by_text("Records may have been missed").wait_for()
            page.shows("m0")
