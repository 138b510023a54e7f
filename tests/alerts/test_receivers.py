"""Tests of the requests to receivers, and of receivers that answer with errors, late, or without end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core import mail

from systemlog.alerts.receivers import http
from systemlog.alerts.receivers.http import Undelivered
from systemlog.alerts.receivers.message import Message
from systemlog.alerts.receivers.sending import make_receiver
from tests.alerts.conftest import SECRET
from tests.support.receivers import Handler, Hook, with_status

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


by_the_settings_of_before = pytest.mark.filterwarnings("ignore:.*MAILERS:PendingDeprecationWarning")
"""Django 6.1 warns of `EMAIL_BACKEND` and the like. What it wants instead, `MAILERS`, is unknown to Django 5.2."""


def alert(**more: Any) -> dict[str, Any]:
    """Return an alert as receivers get it."""
    return {
        "id": "0b7e2c1e-0000-4000-8000-000000000000",
        "status": "firing",
        "rule": "spike <!channel> & more",
        "labels": {"severity": "page"},
        "value": 21,
        "threshold": 20,
        "starts_at": "2026-11-27T11:59:00.000000Z",
        "ends_at": None,
        "correlation_ids": ["a"],
        **more,
    }


def send(receiver: dict[str, Any], *alerts: dict[str, Any], message_id: uuid.UUID | None = None) -> None:
    """Send a message to a receiver of the settings."""
    make_receiver("hook", receiver).send(Message(message_id or uuid.uuid4(), alerts or [alert()]), NOW)


def test_a_webhook_is_signed_by_standard_webhooks(hook: Hook) -> None:
    message_id = uuid.uuid4()
    send({"webhook": hook.url, "secret": SECRET}, message_id=message_id)
    (got,) = hook.received
    assert got.headers["webhook-id"] == str(message_id)
    signed = f"{message_id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{wanted}"
    assert got.json == alert()


def test_a_message_of_several_alerts_lists_them(hook: Hook) -> None:
    send({"webhook": hook.url}, alert(), alert(status="resolved"))
    body = hook.received[0].json
    assert (body["status"], [each["status"] for each in body["alerts"]]) == ("firing", ["firing", "resolved"])
    assert "webhook-signature" not in hook.received[0].headers


def test_slack_gets_text_in_which_nobody_is_mentioned(hook: Hook) -> None:
    send({"slack": hook.url}, alert(url="https://logs.example.com/?a=1&b=2"))
    text = hook.received[0].json["text"]
    assert "spike &lt;!channel&gt; &amp; more" in text
    assert "<https://logs.example.com/?a=1&amp;b=2|records>" in text


@by_the_settings_of_before
def test_a_mail_has_the_same_id_when_it_is_sent_again() -> None:
    message_id = uuid.uuid4()
    for _ in range(2):
        send({"email": ["ops@example.com", "on-call@example.com"]}, message_id=message_id)
    first, second = mail.outbox
    assert first.to == ["ops@example.com", "on-call@example.com"]
    assert first.subject == "[FIRING] spike <!channel> & more"
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]


@by_the_settings_of_before
def test_a_mail_server_that_is_away_is_no_crash(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(Undelivered, match="ConnectionRefusedError"):
        send({"email": ["ops@example.com"]})


def test_alertmanager_gets_an_alert_that_ends_ahead_while_it_fires(hook: Hook) -> None:
    send({"alertmanager": hook.url.removesuffix("/hook")}, alert(), alert(status="resolved"))
    (got,) = hook.received
    assert got.path == "/api/v2/alerts"
    firing, resolved = got.json
    assert firing["labels"] == {"alertname": "spike <!channel> & more", "severity": "page"}
    assert (firing["endsAt"], resolved["endsAt"]) == ("2026-11-27T12:02:00.000000Z", "2026-11-27T12:00:00.000000Z")
    assert firing["annotations"]["value"] == "21"


def test_alertmanager_keeps_the_alerts_of_two_new_groups_apart(hook: Hook) -> None:
    new, back = alert(group="0a1b2c3d", event="new"), alert(group="4e5f6a7b", event="regressed")
    send({"alertmanager": hook.url.removesuffix("/hook")}, new, back)
    first, second = hook.received[0].json
    assert (first["labels"]["group"], second["labels"]["group"]) == ("0a1b2c3d", "4e5f6a7b")
    assert "error group 0a1b2c3d is new" in first["annotations"]["summary"]
    assert "error group 4e5f6a7b has come back" in second["annotations"]["summary"]


def test_a_user_and_password_of_the_address_are_sent_as_authorization(hook: Hook) -> None:
    send({"slack": hook.url.replace("://", "://user:p%40ss@")})
    assert hook.received[0].headers["authorization"] == f"Basic {base64.b64encode(b'user:p@ss').decode()}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(hook: Hook, status: int) -> None:
    hook.answer = with_status(status, Location=hook.url + "/elsewhere")
    with pytest.raises(Undelivered, match=f"status {status}"):
        send({"webhook": hook.url})
    assert len(hook.received) == 1


def test_no_proxy_of_the_environment_is_used(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    send({"webhook": hook.url})
    assert len(hook.received) == 1


@pytest.mark.parametrize(
    ("status", "about_message", "final"),
    [
        (500, False, False),
        (503, False, False),
        (429, False, False),
        (401, False, False),
        (400, True, False),
        (410, True, True),
    ],
)
def test_a_refusal_says_whether_others_fare_better(
    hook: Hook, status: int, *, about_message: bool, final: bool
) -> None:
    hook.answer = with_status(status)
    with pytest.raises(Undelivered) as caught:
        send({"webhook": hook.url + "/with-a-secret"})
    assert (caught.value.about_message, caught.value.final) == (about_message, final)
    assert "secret" not in str(caught.value)


def trickling_headers(handler: Handler, end: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not end.wait(0.02):
        handler.wfile.write(b"x-more: y\r\n")


def trickling_line(handler: Handler, end: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 200 ")
    while not end.wait(0.02):
        handler.wfile.write(b"O")


def endless_continue(handler: Handler, end: threading.Event) -> None:
    while not end.is_set():
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def silent(handler: Handler, end: threading.Event) -> None:
    end.wait(10)


@pytest.mark.parametrize("answer", [trickling_headers, trickling_line, endless_continue, silent])
def test_a_receiver_that_does_not_come_to_an_end_is_left_in_time(hook: Hook, answer: Any) -> None:
    end = threading.Event()
    hook.answer = lambda handler: answer(handler, end)
    began = time.monotonic()
    with pytest.raises(Undelivered):
        http.post(hook.url, b"{}", {}, timeout_s=0.5)
    end.set()
    assert time.monotonic() - began < 8


def test_an_answer_of_any_size_is_not_read(hook: Hook) -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    hook.answer = endless
    began = time.monotonic()
    send({"webhook": hook.url})
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("answer", [b"", b"\x00\xff garbage\r\n\r\n", b"HTTP/1.1 9999999 x\r\n\r\n", b"x" * 200_000])
def test_an_answer_that_is_no_http_is_a_refusal(hook: Hook, answer: bytes) -> None:
    hook.answer = lambda handler: handler.wfile.write(answer) and None
    with pytest.raises(Undelivered):
        send({"webhook": hook.url})


def test_no_representation_shows_an_address_or_a_secret(hook: Hook) -> None:
    receiver = make_receiver("hook", {"webhook": hook.url, "secret": SECRET})
    assert repr(receiver) == "<Receiver hook: webhook>"
    assert json.dumps(str(receiver)).find(hook.url) == -1
