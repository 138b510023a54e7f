"""`/favicon.ico`, which every browser asks for."""

from __future__ import annotations

from django.contrib.staticfiles import finders
from django.test import Client


def test_browsers_are_led_to_the_icon(client: Client) -> None:
    response = client.get("/favicon.ico")

    assert response.status_code == 302
    assert finders.find(response.headers["Location"].removeprefix("/static/"))
