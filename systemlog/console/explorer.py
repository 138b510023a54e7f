"""The explorer: the URLs and script modules that turn the list of records into an interactive page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.urls import NoReverseMatch, reverse

OWN_PARAMETERS = {"around", "columns", "live", "record", "zone"}
"""Parameters of the page's URL that only its scripts read. They choose how records are shown, not which ones."""

MODULES = (
    "api", "context", "copy", "dom", "facets", "feed", "histogram", "keys", "notices", "patterns",
    "record", "rows", "state", "tail", "text", "times", "toolbar", "views",
)  # fmt: skip
"""The modules that `console.js` imports. The page lists them, so that a browser loads all of them in parallel."""

FIRST_PAGE = "?since=-24h&limit=100"
"""What the scripts ask the API for on a page without parameters (`state.js`, `feed.js`)."""

PLACEHOLDER = UUID(int=0)
"""A placeholder for the id of a record in a URL. The scripts replace it."""


@dataclass(frozen=True, slots=True)
class Explorer:
    """The URLs that the scripts request and link to."""

    api: str
    record: str
    story: str
    operations: str
    first_page: str
    """The URL that the scripts request first, if it is known."""
    modules: tuple[str, ...] = tuple(f"systemlog/console/{name}.js" for name in MODULES)


def make_explorer(current_app: str, parameters: Collection[str]) -> Explorer | None:
    """Return the URLs, or None in a project without the API. There, the page is the plain list.

    `parameters` are those of the page.
    """

    def page(name: str, *args: object) -> str:
        return reverse(f"admin:systemlog_systemlog_{name}", args=args, current_app=current_app)

    try:
        api = reverse("system-log-list")
    except NoReverseMatch:
        return None
    api = f"{api.rstrip('/')}/"
    first_page = "" if parameters else f"{api}{FIRST_PAGE}"
    return Explorer(api, page("change", PLACEHOLDER), page("story"), page("operations"), first_page)
