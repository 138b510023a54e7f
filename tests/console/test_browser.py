"""The pages that were there before the console's own scripts, in a browser: policy, console, requests."""

from __future__ import annotations

import pytest

from tests.console.conftest import OpenWindow
from tests.support.console import LIST

pytestmark = [pytest.mark.browser, pytest.mark.any_database]


def test_the_list_keeps_its_strict_policy_in_a_browser(window: OpenWindow) -> None:
    with window("reader") as visit:
        response = visit.open(LIST)
        assert response.status == 200
        assert "require-trusted-types-for 'script'" in response.headers["content-security-policy"]


def test_a_script_in_a_page_does_not_run_and_is_noticed(window: OpenWindow) -> None:
    with window("reader") as visit:
        visit.open(LIST)
        visit.page.evaluate(
            "document.body.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))"
        )
        assert visit.page.evaluate("violations.length") == 1
        assert "Content Security Policy" in visit.problems.pop()
        visit.page.evaluate("violations.length = 0")


def test_staff_without_the_permission_see_no_page_of_the_log(window: OpenWindow) -> None:
    with window("bystander") as visit:
        assert visit.open(LIST).status == 403
        visit.problems.clear()  # Chromium logs the status
