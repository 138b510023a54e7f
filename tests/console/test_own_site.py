"""The pages of the log on an admin site that the project made itself."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.support.console import page_of, store

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.console.own_site")]


def test_every_link_stays_on_the_site(client: Client) -> None:
    (row,) = store({"message": "m", "correlation_id": "c-1"})
    for path in ("/desk/systemlog/systemlog/", f"/desk/systemlog/systemlog/{row.id}/change/"):
        response = client.get(path)
        assert response.status_code == 200
        links = [href for _, href in page_of(response).links]
        assert [href for href in links if not href.startswith(("/desk/", "?", "#"))] == ["/"]  # "View site"
