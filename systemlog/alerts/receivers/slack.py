"""Sends messages to incoming webhooks of Slack, and of services that take the same JSON (Mattermost, Rocket.Chat)."""

from __future__ import annotations

import json

from systemlog.alerts.receivers.http import post
from systemlog.alerts.receivers.message import LISTED, Message, line_of


def send(address: str, message: Message) -> None:
    """Send a message as text. Raises `Undelivered`."""
    lines = [f"*{_escape(message.title)}*"]
    for alert in message.alerts[:LISTED]:
        link = f" <{_escape(alert['url'])}|records>" if alert.get("url") else ""
        lines.append(_escape(line_of(alert)) + link)
    if len(message.alerts) > LISTED:
        lines.append(f"and {len(message.alerts) - LISTED} more")
    post(address, json.dumps({"text": "\n".join(lines)}).encode(), {"Content-Type": "application/json"})


def _escape(text: str) -> str:
    """Escape the three characters with which a text could mention everybody or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
