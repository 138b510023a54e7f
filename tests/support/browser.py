"""Opens the pages of a running server in Chromium, with Playwright.

Playwright's synchronous interface keeps an event loop running in this thread, in which Django refuses to use its
databases. So a browser ends with the test module that asks for it, and its tests change the server's database only
over HTTP or with `manage.py`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.servers import Platform

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Response

PROGRAM = shutil.which("chromium")
DESKTOP = (1400, 900)
PHONE = (390, 844)
SIZES = {"desktop": DESKTOP, "phone": PHONE}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules of axe about colours."""

EXPECTED_WITHIN_MS = 60_000
FITS_WITHIN_S = 15
POLL_MS = 20

FITS = """
document.documentElement.scrollWidth <= document.documentElement.clientWidth
&& [...document.querySelectorAll('main')].every(each => each.scrollWidth <= each.clientWidth)
"""

SHARED_FLAGS = ("--disable-dev-shm-usage", "--force-color-profile=srgb")

PEOPLE = """
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
from django.db.models import Q

sessions = {}
of_the_log = Permission.objects.filter(content_type__app_label="systemlog")
for name, permissions in {
    "reader": of_the_log.filter(Q(codename="view_systemlog") | Q(content_type__model__contains="view")),
    "colleague": of_the_log.filter(Q(codename="view_systemlog") | Q(content_type__model__contains="view")),
    "bystander": of_the_log.none(),
    "administrator": of_the_log.none(),
}.items():
    user = User.objects.create_user(name, is_staff=True, is_superuser=name == "administrator")
    user.user_permissions.set(permissions)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    sessions[name] = session.session_key
print(json.dumps(sessions))
"""
"""Staff: two who may read the log and save views, one who may not, and a superuser."""

COLLECT_VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", event =>
    violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


def sessions_of(platform: Platform) -> dict[str, str]:
    """Create the staff of `PEOPLE`, and return the session key of each."""
    keys: dict[str, str] = json.loads(platform.manage("shell", "--verbosity=0", "--command", PEOPLE).stdout)
    return keys


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a started Chromium. Skips the test if Chromium is not installed."""
    if PROGRAM is None:
        pytest.skip("no browser: install Debian's package chromium")
    pytest.importorskip("playwright", reason="no Playwright: install requirements.txt")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(SHARED_FLAGS), chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A browser window of one user, with everything that went wrong in its pages."""

    page: Page
    url: str
    """The URL of the server."""

    problems: list[str] = field(default_factory=list)
    """Errors on the console, uncaught exceptions and requests to other servers."""

    def __post_init__(self) -> None:
        self.page.add_init_script(COLLECT_VIOLATIONS)
        self.page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self._note(True, f"exception: {error}"))
        self.page.on("request", lambda request: self._note(self._is_foreign(request.url), f"foreign: {request.url}"))

    def open(self, path: str) -> Response:
        """Go to a page of the server."""
        response = self.page.goto(self.url + path)
        assert response is not None
        return response

    def axe(self, *selectors: str) -> list[str]:
        """Return what axe finds wrong in the given elements (default `main`), in both colour schemes.

        Each fault is the rule, and where it is broken. In the second scheme only the rules about colours are checked,
        because nothing else differs.
        """
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(axe_source())
        found = []
        for scheme, rules in (("dark", COLOURS), ("light", None)):
            self.page.emulate_media(color_scheme=scheme)
            found += [f"{scheme}: {fault}" for fault in self._axe(selectors or ("main",), rules)]
        return found

    def _axe(self, selectors: tuple[str, ...], rules: dict[str, Any] | None) -> list[str]:
        # While a colour is in transition to another one, its contrast is that of neither.
        self.page.evaluate("document.getAnimations().forEach(animation => animation.finish())")
        options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
        found: dict[str, Any] = self.page.evaluate(
            "async ([where, options]) => axe.run({include: where.map(each => [each])}, options)",
            [list(selectors), options],
        )
        return [
            f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def check(self) -> None:
        """Fail if `problems` is not empty. A test removes the problems that it expects."""
        violations = self.page.evaluate("window.violations ?? []")
        assert self.problems == []
        assert violations == []

    def has_no_sideways_scroll(self) -> bool:
        """Return whether the page fits the width of the window, once its parts have come."""
        deadline = time.monotonic() + FITS_WITHIN_S
        while not self.page.evaluate(FITS):
            if time.monotonic() > deadline:
                return False
            self.page.wait_for_timeout(POLL_MS)
        return True

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.problems.append(text)

    def _is_foreign(self, url: str) -> bool:
        return not url.startswith((self.url + "/", "data:", "blob:", "about:"))


@contextlib.contextmanager
def visit(
    browser: Browser,
    url: str,
    session: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Any = "light",
    timezone: str = "UTC",
    scripts: bool = True,
) -> Iterator[Visit]:
    """Yield a window of a logged-in user. Fails at the end if something went wrong in it."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=size == PHONE,
        locale="en-US",
        timezone_id=timezone,
        java_script_enabled=scripts,
    )
    try:
        context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        visited = Visit(context.new_page(), url)
        yield visited
        visited.check()
    finally:
        context.close()


def axe_source() -> str:
    """Return the script of axe-core, from the Python package that includes it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("no axe-core: install requirements.txt")
    return (Path(spec.origin).parent / "axe.min.js").read_text()
