"""A client that disconnects under ASGI: there is no response, and no error of the server."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler


def scope(path: str, method: str = "POST") -> dict[str, Any]:
    """Return the scope of a request, as an ASGI server passes it to the application."""
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"testserver"), (b"content-type", b"application/json")],
    }


@pytest.mark.parametrize(
    ("path", "messages"),
    [
        ("/orders/", [{"type": "http.request", "body": b'{"customer"', "more_body": True}]),
        ("/waits/", [{"type": "http.request", "body": b"", "more_body": False}]),
    ],
    ids=["in the middle of the body", "while a view waits"],
)
def test_nothing_is_answered_logged_or_signalled(
    debug: bool, records: list[logging.LogRecord], signals: list[Any], path: str, messages: list[dict[str, Any]]
) -> None:
    async def go_away() -> bool:
        communicator = ApplicationCommunicator(ASGIHandler(), scope(path))
        for message in messages:
            await communicator.send_input(message)
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait()
        return await communicator.receive_nothing()

    assert async_to_sync(go_away)()
    assert not records
    assert not signals
