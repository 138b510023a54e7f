"""Ways through the explorer: selecting time by keyboard, errors beyond the loaded rows, the story of a typed word."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import DESKTOP
from tests.support.explorer import Explorer, Send, new_category

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = [pytest.mark.browser, pytest.mark.any_database]

OpenExplorer = Callable[..., AbstractContextManager[Explorer]]


def focus_newest_bar(page: Explorer) -> Locator:
    """Focus the newest bar of the histogram, and return the histogram."""
    histogram = page.page.get_by_role("group", name="Histogram")
    histogram.locator("[data-level]").first.wait_for()
    histogram.locator("a[tabindex='0']").focus()
    return histogram


def test_a_bar_is_a_link_that_the_keyboard_reaches(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "inside"})
    with explorer(category=category) as page:
        histogram = page.page.get_by_role("group", name="Histogram")
        histogram.locator("[data-level]").first.wait_for()
        histogram.get_by_role("link").last.focus()
        page.page.keyboard.press("ArrowLeft")
        page.page.keyboard.press("ArrowLeft")
        page.page.keyboard.press("Enter")
        page.row("inside").wait_for(state="hidden")
        assert {"since", "until"} <= dict(page.state()).keys()


def test_a_span_of_several_bars_is_selected_by_keyboard_and_announced(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "inside"})
    with explorer(category=category, since="-1h") as page:
        histogram = focus_newest_bar(page)
        for _ in range(3):
            page.page.keyboard.press("Shift+ArrowLeft")
        said = histogram.locator("[aria-live=polite]")
        assert said.inner_text().endswith(": 1")
        page.page.keyboard.press("Enter")
        page.page.get_by_role("button", name="Zoom out").wait_for()
        page.shows("inside")
        assert {"since", "until"} <= dict(page.state()).keys()


def test_escape_drops_a_selection_and_leaves_the_record_open(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    [record] = send(category, {"message": "inside"})
    with explorer(category=category, record=record) as page:
        histogram = focus_newest_bar(page)
        said = histogram.locator("[aria-live=polite]")
        page.page.keyboard.press("Shift+ArrowLeft")
        assert said.inner_text()
        page.page.keyboard.press("Escape")
        assert not said.inner_text()
        assert page.record.is_visible()
        assert "until" not in dict(page.state())
        page.page.keyboard.press("Escape")
        page.record.wait_for(state="hidden")


def test_an_arrow_without_shift_drops_the_selection(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "inside"})
    with explorer(category=category) as page:
        histogram = focus_newest_bar(page)
        page.page.keyboard.press("Shift+ArrowLeft")
        page.page.keyboard.press("ArrowLeft")
        assert not histogram.locator("[aria-live=polite]").inner_text()


def test_no_label_of_the_time_axis_is_cut_off(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "inside"})
    with explorer(category=category) as page:
        focus_newest_bar(page)
        for span in ("15 minutes", "hour", "4 hours", "24 hours", "7 days", "30 days"):
            page.page.locator("[data-part=time]").click()
            page.page.get_by_role("button", name=f"Last {span}", exact=True).click()
            page.page.locator("[data-part=progress]").wait_for(state="hidden")
            # In one step, because an element that was found may be redrawn before it is measured.
            sides = page.page.evaluate(
                "[...document.querySelectorAll('[data-part=axis] small')].map(label => label.getBoundingClientRect())"
                ".map(({left, right}) => [left, right])"
            )
            assert all(left >= 8 and right <= DESKTOP[0] - 8 for left, right in sides), (span, sides)


def test_e_goes_to_the_next_error(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    levels = {30: "ERROR", 90: "CRITICAL"}
    send(category, *({"message": f"m{number}", "level": levels.get(number, "INFO")} for number in range(95)))
    with explorer(category=category) as page:
        for message in ("m30", "m90"):
            page.page.keyboard.press("e")
            assert page.grid.locator("[aria-selected=true] [data-column=message]").inner_text() == message
        page.page.keyboard.press("Shift+E")
        assert page.grid.locator("[aria-selected=true] [data-column=message]").inner_text() == "m30"


def test_e_asks_the_server_for_an_error_beyond_the_loaded_rows(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, *({"message": f"m{at}", "level": "ERROR" if at == 107 else "INFO"} for at in range(110)))
    with explorer(category=category) as page:
        page.page.keyboard.press("e")
        page.grid.locator("[aria-selected=true]").filter(has_text="m107").wait_for()
        page.page.keyboard.press("e")
        page.page.get_by_text("No older error in this search.").wait_for()
        page.page.keyboard.press("Shift+E")
        page.page.get_by_text("No newer error in this search.").wait_for()


def test_a_typed_word_that_is_also_an_id_is_searched_and_its_story_offered(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    word = "story" + "".join(letter for letter in category if letter.isalpha())
    send(category, {"message": f"about {word}"}, {"message": "of it", "correlation_id": word})
    with explorer(category=category) as page:
        page.search(word)
        page.shows(f"about {word}")
        page.page.get_by_text(f"Request {word} has 1 record.").get_by_role("link", name="Open its story").click()
        page.page.get_by_role("heading", name=word).wait_for()
        page.page.go_back()
        page.search("about")
        page.page.get_by_text("Open its story").wait_for(state="hidden")
        page.open(correlation_id=word)
        page.page.get_by_text("This request has 1 record.").wait_for()


def test_the_rows_stand_in_the_document_as_in_the_list_and_enter_opens_one(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, *({"message": f"m{at}"} for at in range(60)))
    with explorer(category=category) as page:
        page.grid.hover()
        for pixels in (500, -200, 700, -1000):
            page.page.mouse.wheel(0, pixels)
        page.row("m0").wait_for()
        rows = page.grid.get_by_role("row").filter(has_text=category)
        assert [text.split()[-1] for text in rows.all_inner_texts()[:20]] == [f"m{at}" for at in range(20)]
        rows.nth(7).press("Enter")
        page.record.get_by_text("m7", exact=True).wait_for()


def test_a_part_of_a_message_is_selected_by_dragging_and_opens_no_record(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(category, {"message": "a message to be copied in part"})
    with explorer(category=category) as page:
        box = page.row("a message to be copied").locator("[data-column=message]").bounding_box()
        assert box is not None
        mouse, middle = page.page.mouse, box["y"] + box["height"] / 2
        mouse.move(box["x"] + 2, middle)
        mouse.down()
        mouse.move(box["x"] + 90, middle, steps=4)
        mouse.up()
        assert str(page.page.evaluate("String(getSelection())")).startswith("a message")
        assert not page.record.is_visible()
