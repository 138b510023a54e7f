"""The explorer: search, chips, histogram, facets, record, keys, history."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.support.explorer import TRACEBACK, Explorer, Send, new_category
from tests.support.servers import Server

pytestmark = [pytest.mark.browser, pytest.mark.any_database]

OpenExplorer = Callable[..., AbstractContextManager[Explorer]]


@pytest.fixture
def category(send: Send) -> str:
    """A category of three records: m0 (ERROR, the newest), m1 (INFO), m2 (DEBUG)."""
    name = new_category()
    send(
        name,
        {"message": "m0 charge failed", "level": "ERROR", "source": "billing-1", "correlation_id": f"{name}-request"},
        {"message": "m1 charge taken", "source": "billing-2", "context": {"order": {"id": 7}, "exception": TRACEBACK}},
        {"message": "m2 card read", "level": "DEBUG", "source": "billing-2", "user_id": "ann"},
    )
    return name


M0, M1, M2 = "m0 charge failed", "m1 charge taken", "m2 card read"


def test_records_are_shown_newest_first_with_level_category_and_message(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.shows(M0, M1, M2)
        assert re.search(rf"ERROR\s*{re.escape(category)}\s*{M0}", page.row(M0).inner_text())


def test_a_first_visit_asks_once_for_the_records_and_while_the_scripts_are_loaded(
    explorer: OpenExplorer, category: str
) -> None:
    with explorer() as page:
        page.row(M0).first.wait_for()
        page.page.locator("[data-part=bars] [data-level]").first.wait_for(state="attached")
        asked = """performance.getEntriesByType("resource").filter(({name}) => /logs\\/[?].*limit=100/.test(name))
            .map(({initiatorType}) => initiatorType)"""
        assert page.page.evaluate(asked) == ["link"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("charge", [M0, M1]),
        ("level:error", [M0]),
        ("level:error level:debug", [M0, M2]),
        ('"charge taken"', [M1]),
        ("-level:error", [M1, M2]),
        ("source:billing-2 card", [M2]),
        ("user_id:ann", [M2]),
        ("context.order.id:7", [M1]),
        ("since:-15m -m1", [M0, M2]),
    ],
)
def test_a_typed_search_is_read_by_the_query_language(
    explorer: OpenExplorer, category: str, text: str, found: list[str]
) -> None:
    with explorer(category=category) as page:
        page.search(text)
        page.shows(*found)
        assert ("query", text) in page.state()


@pytest.mark.parametrize(
    ("text", "word"), [("level:loud", "loud"), ("levl:error", "levl"), ('"no end', '"no end'), ("since:noon", "noon")]
)
def test_a_mistake_is_named_and_shows_no_records(explorer: OpenExplorer, category: str, text: str, word: str) -> None:
    with explorer(category=category) as page:
        page.search(text)
        page.alert.filter(has_text=word).wait_for()
        page.shows()
        page.search("charge")
        page.shows(M0, M1)
        assert not page.alert.is_visible()
        page.visit.problems.clear()  # Chromium logs the status 400


def test_a_chip_removes_its_filter(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category, level="ERROR", source_not="billing-2") as page:
        page.shows(M0)
        assert page.chips.count() == 3
        page.page.get_by_role("button", name="Remove level = ERROR").click()
        page.page.get_by_role("button", name="Remove source ≠ billing-2").click()
        page.shows(M0, M1, M2)
        assert page.state() == [("category", category)]


def test_words_that_were_searched_are_marked(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category, query='CHARGE "m1 ch" -card') as page:
        assert page.row(M1).locator("mark").all_inner_texts() == ["m1 ch"]
        page.search("Charge")
        page.shows(M0, M1)
        assert page.row(M1).locator("mark").all_inner_texts() == ["charge"]


def test_facets_narrow_and_exclude(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.facets.get_by_role("button", name="Only source billing-2").click()
        page.shows(M1, M2)
        page.facets.get_by_role("button", name="Not level DEBUG").click()
        page.shows(M1)
        assert page.state() == [("category", category), ("source", "billing-2"), ("level!", "DEBUG")]


def test_facets_know_the_keys_of_the_context(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.facets.get_by_text("order.id").click()
        page.facets.get_by_role("button", name="Only context.order.id 7").click()
        page.shows(M1)


def test_a_field_of_the_context_stays_unfolded_when_it_is_counted_anew(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.facets.get_by_text("order.id").click()
        page.facets.get_by_role("button", name="Show as a column").click()
        page.facets.get_by_role("button", name="Remove the column").wait_for()


def test_dragging_across_the_histogram_narrows_the_time(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        histogram = page.page.get_by_role("group", name="Histogram")
        histogram.locator("[data-level]").first.wait_for()
        box = histogram.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.page.mouse.move(box["x"] + box["width"] * 0.25, middle)
        page.page.mouse.down()
        page.page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
        page.page.mouse.up()
        page.shows()
        assert {"since", "until"} <= dict(page.state()).keys()
        page.page.evaluate("history.back()")
        page.row(M0).wait_for()


def test_a_record_opens_with_everything_and_closes(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.row(M1).click()
        record = page.record
        record.get_by_text("no answer from the gateway").wait_for()
        assert record.locator(".own").inner_text().startswith("shop/billing/charge.py:41 in pay")
        assert "requests/sessions.py:589" in record.locator("li:not(.own)").first.inner_text()
        record.get_by_role("button", name="Not context.order.id 7").wait_for()
        assert record.get_by_role("link", name="Permalink").get_attribute("href")
        page.page.keyboard.press("Escape")
        record.wait_for(state="hidden")
        assert page.grid.evaluate("each => each === document.activeElement")


def test_a_value_of_the_record_filters(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.row(M1).click()
        page.record.get_by_role("button", name="Only context.order.id 7").click()
        page.shows(M1)
        page.record.get_by_role("button", name="Copy JSON").click()
        page.record.get_by_role("button", name="Copied").wait_for()
        page.record.get_by_role("button", name="Copy JSON").wait_for()


def test_the_record_leads_to_the_story_of_its_request(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.row(M0).click()
        href = page.record.get_by_role("link", name="Request").get_attribute("href")
        assert href == f"/admin/systemlog/systemlog/story/?correlation_id={category}-request#first-error"


def test_the_surroundings_of_a_record_are_all_of_its_source(explorer: OpenExplorer, category: str, send: Send) -> None:
    send(new_category(), {"message": f"beside {category}", "source": "billing-2"})
    with explorer(category=category, query="taken") as page:
        page.row(M1).click()
        page.record.get_by_role("link", name="Surrounding records").click()
        page.row(f"beside {category}").wait_for()
        page.row(M2).first.wait_for()
        assert page.row(M0).count() == 0
        page.page.get_by_role("button", name="Back to the search").click()
        page.row(f"beside {category}").wait_for(state="hidden")
        page.shows(M1)


def test_the_keyboard_moves_opens_and_closes(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        keys = page.page.keyboard
        keys.press("j")
        assert page.row(M0).get_attribute("aria-selected") == "true"
        keys.press("j")
        keys.press("Enter")
        page.record.get_by_text(M1).wait_for()
        keys.press("k")
        page.record.get_by_text(M0).wait_for()
        keys.press("Escape")
        page.record.wait_for(state="hidden")
        keys.press("/")
        assert page.page.get_by_role("searchbox").evaluate("each => each === document.activeElement")
        keys.type("jk")
        assert page.page.get_by_role("searchbox").input_value() == "jk"


def test_older_records_are_loaded_as_one_scrolls(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, *({"message": f"m{number}"} for number in range(130)))
    with explorer(category=category) as page:
        page.grid.focus()
        page.page.keyboard.press("End")
        page.page.locator("[role=grid][aria-rowcount='131']").wait_for()
        page.page.keyboard.press("End")
        page.row("m129").wait_for()
        assert page.row("m129").get_attribute("aria-rowindex") == "131"


def test_back_and_forward_and_a_pasted_link_show_the_same(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category) as page:
        page.search("charge")
        page.shows(M0, M1)
        page.search("card")
        page.shows(M2)
        page.page.evaluate("history.back()")
        page.shows(M0, M1)
        assert page.page.get_by_role("searchbox").input_value() == "charge"
        page.row(M1).click()
        page.page.get_by_role("button", name="Columns").click()
        page.page.get_by_role("checkbox", name="Source").check()
        page.page.keyboard.press("Escape")
        address = page.page.evaluate("location.href")
        page.page.goto(address)
        page.record.get_by_text("no answer from the gateway").wait_for()
        assert "billing-1" in page.row(M0).inner_text()


def test_the_export_has_what_is_filtered(explorer: OpenExplorer, category: str, shared_server: Server) -> None:
    with explorer(category=category, query="charge -taken") as page:
        href = page.page.get_by_role("link", name="Export").get_attribute("href")
        answer = page.page.request.get(shared_server.url + str(href))
        assert M0 in answer.text()
        assert M1 not in answer.text()


def test_a_view_is_saved_shared_and_opened_by_a_colleague(explorer: OpenExplorer, category: str) -> None:
    name = f"View {category}"
    with explorer(category=category, level="ERROR") as page:
        page.page.get_by_role("button", name="Save view").click()
        dialog = page.page.get_by_role("dialog", name="Save view")
        dialog.get_by_role("textbox", name="Name").fill(name)
        dialog.get_by_role("checkbox", name="Shared").check()
        dialog.get_by_role("button", name="Save").click()
        dialog.wait_for(state="hidden")
    with explorer(who="colleague") as page:
        page.page.get_by_role("button", name="Views").click()
        page.page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
        page.shows(M0)


@pytest.mark.parametrize("pasted", ["{id}", '{{"type": "about:blank", "status": 500, "correlation_id": "{id}"}}'])
def test_a_pasted_id_or_problem_body_opens_its_story(explorer: OpenExplorer, category: str, pasted: str) -> None:
    with explorer() as page:
        box = page.page.get_by_role("searchbox", name="Search")
        box.fill(pasted.format(id=f"{category}-request"))
        box.press("Enter")
        page.page.get_by_role("heading", name=f"{category}-request").wait_for()


def test_times_are_local_or_in_utc(explorer: OpenExplorer, category: str) -> None:
    with explorer(category=category, timezone="Asia/Kolkata") as page:
        local = page.row(M0).locator("[data-column=time]").inner_text()
        assert "UTC+05:30" in page.grid.inner_text()
        page.page.get_by_role("button", name="Local time").click()
        assert page.row(M0).locator("[data-column=time]").inner_text() != local
        assert "Time (UTC)" in page.grid.inner_text()


def test_the_list_without_scripts_has_the_rows(explorer: OpenExplorer, category: str, window: Any) -> None:
    with window("reader", scripts=False) as visit:
        visit.open(f"/admin/systemlog/systemlog/?category={category}")
        assert visit.page.locator("#result_list tbody tr").count() == 3
        assert not visit.page.get_by_role("grid", name="Records").is_visible()
