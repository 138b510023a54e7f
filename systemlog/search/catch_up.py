"""Landing of waiting audit records before a search that may ask for them, so that its answer includes them."""

from __future__ import annotations

import logging

from django.db import Error

from systemlog.audit.draining import drain_waiting
from systemlog.search.parsing.query import Query

logger = logging.getLogger(__name__)

AUDIT = "audit."


def catch_up(query: Query) -> None:
    """Land up to 1,000 waiting changes, for 50 ms at most, if the query may ask for them. Never fails the search."""
    asked = any(name.startswith(AUDIT) or name == AUDIT.rstrip(".") for name in query.categories)
    if query.subject or asked:
        land_waiting_changes()


def land_waiting_changes() -> None:
    """Land up to 1,000 waiting changes, for 50 ms at most. Never raises an error of a database."""
    try:
        drain_waiting()
    except Error as error:  # for example, a standby accepts no records
        logger.debug("Waiting changes are not in this answer.", extra={"error": type(error).__name__})
