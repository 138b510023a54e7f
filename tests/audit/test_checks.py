"""A wrong name in the setting is told, with the nearest one."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from systemlog.audit.checks import check_names
from systemlog.checks import check_settings


@pytest.mark.parametrize(
    ("audit", "identifier", "text"),
    [
        ({"shop.Ordr": {}}, "systemlog.E110", "'shop.Order'"),
        ({"shp.Order": {}}, "systemlog.E110", "'shop.Order'"),
        ({"shop.Order": {"exclude": ["statu"]}}, "systemlog.E111", "'status'"),
        ({"shop.Order": {"mask": ["tag"]}}, "systemlog.E111", "'tags'"),
        ({"shop.Order": {"masks": []}}, "systemlog.E002", "exclude, mask"),
        ({"shop.Order": []}, "systemlog.E002", "no dictionary"),
        ({"Order": {}}, "systemlog.E002", "app_label.Model"),
        ({"systemlog.SystemLog": {}}, "systemlog.E112", "itself"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(audit: Any, identifier: str, text: str) -> None:
    apps = [*settings.INSTALLED_APPS, "tests.audit.shop"]
    with override_settings(INSTALLED_APPS=apps, SYSTEMLOG={**settings.SYSTEMLOG, "AUDIT": audit}):
        (found,) = [*check_settings(None), *check_names(None)]
    assert found.id == identifier
    assert text in f"{found.msg} {found.hint}"
