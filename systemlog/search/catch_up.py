"""Landing of waiting audit records before a search that may ask for them, so that its answer includes them."""

from __future__ import annotations

import logging

from django.db import Error, connections

from systemlog.audit.draining import drain_waiting
from systemlog.conf import conf
from systemlog.search.parsing.query import Query

logger = logging.getLogger(__name__)

AUDIT = "audit."


def catch_up(query: Query) -> None:
    """Land up to 1,000 waiting changes, for 50 ms at most, if the query may ask for them."""
    either = {each.field: each.values for each in query.any_of}
    categories = (*query.categories, *either.get("category", ()))
    if query.subject or "subject" in either or any(map(_may_be_of_audit, categories)):
        land_waiting_changes()


def _may_be_of_audit(category: str) -> bool:
    beginning = category.removesuffix("*")
    if category.startswith(AUDIT) or category == AUDIT.rstrip("."):
        return True
    return category != beginning and AUDIT.startswith(beginning)


def land_waiting_changes() -> None:
    """Land up to 1,000 waiting changes, for 50 ms at most. Raises an error if the log's database does not answer."""
    with connections[conf().DATABASE].cursor():
        pass  # a database that does not answer fails the search here, and is not waited for a second time
    try:
        drain_waiting()
    except Error as error:  # for example, a standby accepts no records
        logger.debug("Waiting changes are not in this answer.", extra={"error": type(error).__name__})
