"""The explorer: what the template of the list needs so that its scripts can take over the page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.urls import NoReverseMatch, reverse

OWN_PARAMETERS = {"around", "columns", "live", "record", "zone"}
"""The parameters of the page's URL that only its scripts read: what is shown of the records, not which records."""

MODULES = (
    "api", "context", "dom", "facets", "feed", "histogram", "keys", "notices",
    "record", "rows", "state", "tail", "text", "times", "toolbar", "views",
)  # fmt: skip
"""The modules that `console.js` imports. The page names them so that a browser loads them all at once."""

PLACEHOLDER = UUID(int=0)
"""Stands in a URL for the id of a record."""


@dataclass(frozen=True, slots=True)
class Explorer:
    """The addresses that the scripts ask and link to."""

    api: str
    record: str
    story: str
    operations: str
    modules: tuple[str, ...] = tuple(f"systemlog/console/{name}.js" for name in MODULES)


def make_explorer(current_app: str) -> Explorer | None:
    """Return the addresses, or None in a project that has no API: there the page is the list alone."""

    def page(name: str, *args: object) -> str:
        return reverse(f"admin:systemlog_systemlog_{name}", args=args, current_app=current_app)

    try:
        api = reverse("system-log-list")
    except NoReverseMatch:
        return None
    api = f"{api.rstrip('/')}/"
    return Explorer(api, page("change", PLACEHOLDER), page("story"), page("operations"))
