"""`/favicon.ico`, which every browser asks for."""

from __future__ import annotations

from django.test import Client


def test_browsers_get_an_icon(client: Client) -> None:
    response = client.get("/favicon.ico")

    assert response.status_code == 200
    assert b"".join(response).startswith(b"\x00\x00\x01\x00")  # the signature of an ICO file
