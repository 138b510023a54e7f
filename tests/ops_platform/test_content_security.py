"""The Content-Security-Policy of the pages, and that each page works under it."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client

from systemlog.models import SystemLog

PAGES = [
    "/admin/",
    "/admin/systemlog/systemlog/",
    "/admin/systemlog/systemlog/?q=m&level=ERROR",
    "/admin/auth/user/",
    "/admin/auth/user/?_popup=1",
    "/admin/auth/user/add/",
    "/admin/auth/group/add/",
    "/admin/auth/group/",
    "/admin/knox/authtoken/",
    "/admin/password_change/",
    "/problems",
    "/problems/not-found",
]


class Page(HTMLParser):
    """What a page asks of the policy."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline_scripts: list[str] = []
        self.attributes: list[str] = []
        self.styles: list[str] = []
        self.foreign: list[str] = []
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside = tag
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.inline_scripts.append(str(given))
        self.attributes += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag in {"script", "img", "link", "iframe", "object", "embed", "base"}:
            source = given.get("src") or given.get("href") or ""
            if "//" in source or source.startswith("data:") or tag in {"iframe", "object", "embed", "base"}:
                self.foreign.append(f"{tag} {source}")

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.styles.append(f"'sha256-{base64.b64encode(hashlib.sha256(data.encode()).digest()).decode()}'")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def directives(header: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in header.split(";"))}


@pytest.fixture
def administrator(client: Client, transactional_db: None) -> Client:
    user = User.objects.create_superuser("administrator", password="a-long-password-of-a-test")
    client.force_login(user)
    SystemLog.objects.create(message="m", level="ERROR")
    return client


def assert_works(html: str, header: str) -> None:
    policy = directives(header)
    page = Page(html)
    assert page.inline_scripts == page.attributes == page.foreign == []
    assert set(page.styles) <= set(policy["style-src"])


@pytest.mark.parametrize("url", PAGES)
def test_a_page_has_a_strict_policy_and_works_under_it(administrator: Client, url: str) -> None:
    response = administrator.get(url, headers={"Accept": "text/html"})
    assert response.status_code == 200
    header = response.headers["Content-Security-Policy"]
    policy = directives(header)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["form-action"] == policy["script-src"] == ["'self'"]
    assert "unsafe" not in header
    assert_works(response.content.decode(), header)


def test_pages_of_one_object_work_under_the_policy(administrator: Client) -> None:
    user = User.objects.get()
    urls = [f"/admin/auth/user/{user.pk}/{page}/" for page in ("change", "delete", "history", "password")]
    record = SystemLog.objects.filter(message="m").get()
    urls.append(f"/admin/systemlog/systemlog/{record.pk}/change/")
    for url in urls:
        response = administrator.get(url, follow=True, headers={"Accept": "text/html"})
        assert_works(response.content.decode(), response.headers["Content-Security-Policy"])


def test_the_login_page_works_under_the_policy(client: Client) -> None:
    response = client.get("/admin/login/")
    assert_works(response.content.decode(), response.headers["Content-Security-Policy"])


def test_the_page_of_a_failed_csrf_check_keeps_its_style(transactional_db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/admin/login/", headers={"Accept": "text/html"})
    assert response.status_code == 403
    assert "<style>" in response.content.decode()
    assert_works(response.content.decode(), response.headers["Content-Security-Policy"])


def test_the_documentation_keeps_its_own_policy(client: Client) -> None:
    policy = directives(client.get("/docs").headers["Content-Security-Policy"])
    assert policy["style-src"] == ["'self'", "'unsafe-inline'"]


def test_json_has_no_policy(client: Client) -> None:
    assert "Content-Security-Policy" not in client.get("/system-health/live").headers


def test_an_error_page_has_the_policy(client: Client) -> None:
    response = client.get("/nowhere", headers={"Accept": "text/html"})
    assert response.status_code == 404
    is_html = response.headers["Content-Type"].startswith("text/html")
    assert is_html == ("Content-Security-Policy" in response.headers)
