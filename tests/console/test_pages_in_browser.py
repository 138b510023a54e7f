"""The story, the page of a record, operations and the start page in a browser: accessible, in both themes and sizes."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.console.conftest import OpenWindow
from tests.support.browser import DESKTOP, PHONE, SIZES
from tests.support.console import LIST
from tests.support.servers import Platform, Server

pytestmark = [pytest.mark.browser, pytest.mark.any_database]

STORY = f"{LIST}story/"
GROUPS = "/admin/systemlog/group/"
WITH_ACTIONS = {"groups", "group"}
"""The pages that show more to a user who may change groups."""

DEADLINE_S = 60
POLL_S = 0.1
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/.venv/lib/python3.12/site-packages/requests/models.py", line 1026, in raise_for_status
    raise HTTPError(http_error_msg)
  File "/srv/shop/billing/gateway.py", line 41, in charge
    response.raise_for_status()
requests.exceptions.HTTPError: 402 Client Error
"""
HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> \u202egnp.exe \x1b[31m " + "w" * 30_000
)


def at(begin: datetime, milliseconds: float, message: str, **columns: Any) -> dict[str, Any]:
    timestamp = (begin + timedelta(milliseconds=milliseconds)).isoformat()
    return {"timestamp": timestamp, "message": message, "source": "web-1", **columns}


@pytest.fixture(scope="module")
def story(shared_platform: Platform, shared_server: Server) -> str:
    """The correlation id of a request with an error, a gap, an audit record, two services and hostile texts."""
    request, begin = str(uuid.uuid4()), datetime.now(UTC) - timedelta(minutes=1)
    changes = {"changes": {"status": ["open", "paid"], "tags": {"added": [3], "removed": [1]}}}
    records = [
        at(begin, 0, "the request begins", trace_id=uuid.uuid4().hex),
        at(begin, 20, "changed", category="audit.update", subject="shop.order:7", context=changes),
        at(
            begin,
            1500,
            "charge failed",
            level="ERROR",
            source="billing",
            context={"exception": TRACEBACK, "n": {"a": [1]}},
        ),
        at(
            begin,
            1510,
            HOSTILE,
            category=HOSTILE[:150],
            level="WARNING",
            context={HOSTILE[:90]: HOSTILE, "duration_ms": 7},
        ),
        at(
            begin,
            1520,
            "POST /pay 500",
            category="systemlog.access",
            context={"duration_ms": 1519.5, "action": "request"},
        ),
    ]
    with shared_server.client(shared_platform.token("read", "write")) as client:
        done = client.post("/system/logs/", json=[{"correlation_id": request, **record} for record in records])
        assert done.json()["accepted"] == len(records), done.text
        deadline = time.monotonic() + DEADLINE_S
        while client.get(f"/system/logs/?correlation_id={request}").json()["total"] < len(records):
            assert time.monotonic() < deadline, "the records did not land"
            time.sleep(POLL_S)
    return request


@pytest.fixture(scope="module")
def record(shared_platform: Platform, shared_server: Server, story: str) -> str:
    """The id of the error of the story."""
    with shared_server.client(shared_platform.token("read", "write")) as client:
        (found,) = client.get(f"/system/logs/?correlation_id={story}&level=ERROR").json()["items"]
    return str(found["id"])


@pytest.fixture(scope="module")
def group(shared_platform: Platform, shared_server: Server, record: str) -> str:
    """The id of the group of that error."""
    with shared_server.client(shared_platform.token("read", "write")) as client:
        return str(client.get(f"/system/logs/{record}/").json()["group"])


PAGES = {
    "story": f"{STORY}?correlation_id={{story}}#first-error",
    "story of nothing": f"{STORY}?correlation_id=none",
    "story of a mistake": f"{STORY}?corelation_id=x",
    "story to open": STORY,
    "record": f"{LIST}{{record}}/change/",
    "record and its neighbors": f"{LIST}{{record}}/change/?around=5#around",
    "operations": f"{LIST}operations/",
    "start": "/admin/",
    "groups": GROUPS,
    "groups in a state": f"{GROUPS}?state=resolved&q=none",
    "group": f"{GROUPS}{{group}}/change/",
    "alerts": "/admin/systemlog/alert/",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_accessible_and_fits_in_both_themes_and_sizes(
    window: OpenWindow, story: str, record: str, group: str, page: str, size: str
) -> None:
    with window("administrator" if page in WITH_ACTIONS else "reader", size=SIZES[size]) as visit:
        visit.open(PAGES[page].format(story=story, record=record, group=group))
        assert visit.axe() == []
        assert visit.has_no_sideways_scroll()
        assert visit.page.evaluate("window.hacked") is None
        if page == "story of a mistake":
            visit.problems.clear()  # Chromium logs the status


def test_the_story_reads_as_a_timeline(window: OpenWindow, story: str) -> None:
    with window("reader") as visit:
        visit.open(f"{STORY}?correlation_id={story}")
        page = visit.page
        expect(page.get_by_role("heading", name=story)).to_be_visible()
        rows = page.get_by_role("list", name="Records").get_by_role("listitem")
        expect(rows).to_have_count(5)
        expect(rows.nth(0)).to_contain_text("0 ms")
        expect(rows.nth(2)).to_contain_text("1.500 s")
        expect(rows.nth(2)).to_contain_text("response.raise_for_status()")
        expect(rows.nth(1)).to_contain_text("paid")
        widths = page.eval_on_selector_all(".sl-bar", "bars => bars.map(bar => bar.getBoundingClientRect().width)")
        whole = page.eval_on_selector(".sl-track svg", "each => each.getBoundingClientRect().width")
        assert widths[1] == pytest.approx(whole, rel=0.02)
        assert widths[0] == pytest.approx(whole * 7 / 1520, abs=1)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_first_error_of_a_story_is_in_view(window: OpenWindow, story: str, size: tuple[int, int]) -> None:
    with window("reader", size=size) as visit:
        visit.open(f"{STORY}?correlation_id={story}#first-error")
        expect(visit.page.get_by_role("link", name="charge failed")).to_be_in_viewport()


def test_a_problem_body_that_is_pasted_opens_its_story(window: OpenWindow, story: str) -> None:
    with window("reader") as visit:
        visit.open(STORY)
        text = f'{{\n  "title": "Internal Server Error",\n  "correlation_id": "{story}"\n}}'
        visit.page.get_by_label("Correlation id, trace id, or a whole error body").fill(text)
        visit.page.get_by_role("button", name="Open its story").click()
        expect(visit.page.get_by_role("heading", name=story)).to_be_visible()


def test_a_record_leads_to_its_story_and_can_be_copied(window: OpenWindow, story: str, record: str) -> None:
    with window("reader") as visit:
        page = visit.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visit.open(f"{LIST}{record}/change/")
        page.get_by_role("button", name="Copy JSON").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert f'"id": "{record}"' in page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("link", name="Request", exact=True).click()
        expect(page.get_by_role("link", name="charge failed")).to_be_in_viewport()


def test_the_context_of_a_record_folds_by_keyboard(window: OpenWindow, record: str) -> None:
    with window("reader") as visit:
        visit.open(f"{LIST}{record}/change/")
        branch = visit.page.locator("details").first
        branch.locator("summary").first.focus()
        visit.page.keyboard.press("Enter")
        expect(branch).not_to_have_attribute("open", "")


def test_the_theme_follows_the_admins_switch(window: OpenWindow, story: str) -> None:
    with window("reader", scheme="light") as visit:
        visit.open(f"{STORY}?correlation_id={story}")
        colour = "getComputedStyle(document.querySelector('.sl-changed')).backgroundColor"
        light = visit.page.evaluate(colour)
        visit.page.get_by_role("button", name="Toggle theme").click()
        visit.page.get_by_role("button", name="Toggle theme").click()
        assert visit.page.evaluate("document.documentElement.dataset.theme") in ("dark", "light")
        themes = set()
        for _ in range(3):
            themes.add(visit.page.evaluate(colour))
            visit.page.get_by_role("button", name="Toggle theme").click()
        assert light in themes
        assert len(themes) == 2


def test_a_group_is_resolved_and_assigned_in_the_list_and_on_its_page(window: OpenWindow, group: str) -> None:
    with window("administrator") as visit:
        page = visit.page
        visit.open(GROUPS)
        page.get_by_role("row").filter(has_text="HTTPError").get_by_role("checkbox").check()
        page.get_by_role("button", name="Ignore selected").click()
        expect(page.get_by_role("row").filter(has_text="HTTPError")).to_contain_text("Ignored")
        page.get_by_role("link", name="HTTPError").click()
        page.get_by_label("Corrected in release").fill("1.1")
        page.get_by_role("button", name="Resolve").click()
        expect(page.get_by_text("in release 1.1")).to_be_visible()
        page.get_by_label("Assign to").fill("administrator")
        page.get_by_role("button", name="Assign").click()
        expect(page.get_by_label("Assign to")).to_have_value("administrator")
        page.get_by_role("button", name="Open again").click()
        expect(page.get_by_role("button", name="Resolve")).to_be_visible()
        page.get_by_role("link", name="Who changed it").click()
        expect(
            page.get_by_role("grid", name="Records").get_by_role("row").filter(has_text="was changed")
        ).to_have_count(4)


def test_a_record_and_a_story_lead_to_the_group(window: OpenWindow, story: str, record: str, group: str) -> None:
    with window("reader") as visit:
        page = visit.page
        for path in (f"{STORY}?correlation_id={story}", f"{LIST}?record={record}"):
            visit.open(path)
            page.get_by_role("link", name="error group").first.click()
            expect(page).to_have_url(f"{visit.url}{GROUPS}{group}/change/")
        page.get_by_role("link", name="All records of this group").first.click()
        expect(page.get_by_role("list", name="Filters")).to_contain_text(f"group = {group}")
