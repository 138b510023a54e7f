import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from ops_platform import checks
from tests.ops_platform import readme

APPS = {"ops_platform", "systemlog", "health"}


@pytest.mark.parametrize("name", ["environment", "systemlog", "health"])
def test_its_tables_of_settings_are_those_of_the_code(name):
    assert readme.tables_of_the_page()[name] == readme.tables()[name], "run `make docs`"


def test_it_names_every_command_and_no_other():
    assert readme.commands() == {command for command, app in get_commands().items() if app in APPS}


def routes(patterns=None, prefix=""):
    """The regular expressions of all paths outside the admin."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        expression = prefix + pattern.pattern.regex.pattern.removeprefix("^").removeprefix(r"\A")
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from routes(pattern.url_patterns, expression)
        else:
            assert isinstance(pattern, URLPattern)
            yield expression


def test_it_names_every_path(client):
    named = [path.replace("<id>", "0").replace("<slug>", "not-found").lstrip("/") for path in readme.endpoints()]
    unnamed = [
        route
        for route in routes()
        if not any(re.match(route, path) or re.match(route, path.rstrip("/")) for path in ["", *named])
    ]
    assert unnamed == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", [path for path in readme.endpoints() if "<" not in path and not path.startswith("/admin")]
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_its_paths_answer_with_and_without_slash(client, path, slash):
    assert client.get(path.rstrip("/") + slash).status_code in {200, 401}


@pytest.mark.parametrize(("path", "target"), [("/", "/docs"), ("/admin", "/admin/")])
def test_what_a_person_types_leads_somewhere(client, path, target):
    assert client.get(path).headers["Location"] == target


PAGES = [*sorted(readme.FILE.parent.glob("*.md")), *sorted((readme.FILE.parent / "docs").glob("*.md"))]


def headings(page):
    """The anchors that a page's headings have."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_what_it_and_the_pages_link_to_exists(page):
    text = page.read_text()
    for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), anchor
    for named in re.findall(r"\bdocs/[\w-]+\.md\b", text):
        assert (readme.FILE.parent / named).exists(), named


def test_the_page_of_the_platform_names_its_system_checks():
    page = (readme.FILE.parent / "docs" / "platform.md").read_text()
    assert sorted(set(re.findall(r"ops_platform\.[EW]\d{3}", page))) == sorted(
        set(re.findall(r"id=\"(ops_platform\.[EW]\d{3})\"", Path(checks.__file__).read_text()))
    )


def test_it_is_a_front_door_and_no_manual():
    assert len(readme.FILE.read_text().splitlines()) <= 150


def test_the_index_leads_to_every_page():
    index = readme.FILE.parent / "docs" / "README.md"
    pages = {page.name for page in index.parent.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index.read_text())) == pages


def test_no_developers_file_is_named_by_its_full_path():
    assert str(Path.home()) not in readme.FILE.read_text()
