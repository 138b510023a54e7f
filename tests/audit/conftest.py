"""A shop whose models are audited, on the database of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from systemlog.audit.draining import drain_waiting
from systemlog.audit.installing import install
from systemlog.models import SystemLog
from tests.audit.projects import Run, project
from tests.support.audit import forget_changes

SHOP = {
    "shop.Order": {"exclude": ["updated"], "mask": ["note", "secret_code"]},
    **{f"shop.{name}": {} for name in ("Tag", "Depot", "Line", "Stock", "Odd", "Wide", "Visit", "Pass", "Gate")},
    "shop.Tariff": {"exclude": ["price"]},
    "shop.Safe": {"exclude": ["hint"], "mask": ["code"]},
}


@pytest.fixture
def shop(transactional_db: None) -> Iterator[Any]:
    """The models of the shop, whose tables are there and audited: `shop.Order`."""
    connection = connections["default"]
    forget_changes()
    apps_ = [*settings.INSTALLED_APPS, "tests.audit.shop"]
    with override_settings(INSTALLED_APPS=apps_, SYSTEMLOG={**settings.SYSTEMLOG, "AUDIT": SHOP}):
        connection.close()  # connections tell who works from their start on
        call_command("migrate", run_syncdb=True, verbosity=0)
        from tests.audit.shop import models

        yield models
        with connection.schema_editor() as editor:
            for model in reversed(list(apps.get_app_config("shop").get_models())):
                if not model._meta.proxy and model._meta.managed:
                    editor.delete_model(model)
    install("default")
    forget_changes()
    connection.close()


@pytest.fixture
def told(shop: Any) -> Callable[..., list[tuple[str, str, Any]]]:
    """Lands what waits, and gives the records since the last call: category, subject and changes."""
    seen: set[Any] = set()

    def records() -> list[SystemLog]:
        while drain_waiting():
            pass
        found = SystemLog.objects.filter(category__startswith="audit.").order_by("timestamp", "id")
        new = [record for record in found if record.pk not in seen]
        seen.update(record.pk for record in new)
        return new

    def tell() -> list[tuple[str, str, Any]]:
        return [
            (record.category.removeprefix("audit."), str(record.subject), record.context.get("changes"))
            for record in records()
        ]

    tell.records = records  # type: ignore[attr-defined]  # for tests that look at the whole record
    return tell


@pytest.fixture
def run_in_project(tmp_path: Path, postgresql_url: str | None) -> Iterator[Run]:
    """A function that runs code in a project of the test's own, on the database of the run."""
    with project(tmp_path, postgresql_url) as run:
        yield run
