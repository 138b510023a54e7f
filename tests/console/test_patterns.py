"""The patterns of the explorer: the messages of the search, counted by template."""

from __future__ import annotations

import pytest

from tests.console.test_explorer import OpenExplorer
from tests.support.explorer import Send, new_category

pytestmark = [pytest.mark.browser, pytest.mark.any_database]


def test_the_patterns_of_the_search_are_counted_and_found(explorer: OpenExplorer, send: Send) -> None:
    category = new_category()
    send(
        category,
        *({"message": f"order {number} was refused", "level": "ERROR"} for number in range(3)),
        {"message": "the order of 7 items was refused"},
        {"message": "3"},
        {"message": "<b>paid</b>"},
    )
    with explorer(category=category) as page:
        page.page.get_by_role("button", name="Patterns").click()
        patterns = page.page.get_by_role("region", name="Patterns")
        patterns.get_by_text("of the newest 6 records").wait_for()
        assert patterns.get_by_role("listitem").all_inner_texts()[0].split() == ["3", "order", "*", "was", "refused"]
        assert patterns.get_by_role("listitem").count() == 4
        assert patterns.get_by_role("button", name="<b>paid</b>").is_visible()
        patterns.get_by_role("button", name="order * was refused").click()
        patterns.wait_for(state="hidden")
        assert page.page.get_by_role("searchbox").input_value() == '"order" "was refused"'
        page.row("order 2 was refused").wait_for()
        page.row("paid").wait_for(state="detached")
