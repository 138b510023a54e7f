"""Made-up records of a shop, for screenshots and benchmarks: one day, with an outage of a payment gateway."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

DAY_S = 86_400
OUTAGE_S = (5 * 3600, 900)
"""How long ago the gateway was down, and how long it was slow before and after that."""

ORDINARY = [
    ("web", "shop.cart", "Item added to cart"),
    ("web", "shop.checkout", "Checkout started"),
    ("orders", "orders", "Order {order} placed"),
    ("orders", "orders.stock", "Stock reserved for order {order}"),
    ("billing", "billing", "Charge of {number} EUR captured for order {order}"),
    ("billing", "billing.webhooks", "Webhook payment_intent.succeeded received"),
    ("mail", "mail", "Confirmation sent for order {order}"),
    ("web", "django.request", "GET /products/{order} 200"),
    ("worker", "celery.worker", "Task orders.reserve[{uuid}] succeeded in 0.{number} s"),
    ("search", "search", "Query answered in {number} ms, {order} hits"),
    ("web", "accounts", "User {user} logged in"),
]
WARNINGS = [
    ("billing", "billing", "Card declined for order {order}, asking for another one"),
    ("orders", "orders.stock", "Stock of SKU-{order} is below 5"),
    ("web", "django.security", "Login failed for {user} from 203.0.113.{number}"),
    ("worker", "celery.worker", "Task mail.send[{uuid}] is retried in 30 s"),
]
ERRORS = [
    ("billing", "billing", "Charge failed for order {order}: no answer from the gateway after 3 attempts"),
    ("billing", "billing", "Charge failed for order {order}: the card was declined"),
    ("web", "django.request", "Internal Server Error: /checkout/{order}/pay"),
    ("search", "search", "Index products is not reachable"),
]
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/billing/charge.py", line 41, in pay
    answer = gateway.capture(order.total, card=order.card)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/billing/gateway.py", line 88, in capture
    response = self.session.post("/v1/charges", json=body, timeout=5)
  File "/srv/venv/lib/python3.12/site-packages/requests/sessions.py", line 637, in post
    return self.request("POST", url, data=data, json=json, **kwargs)
  File "/srv/venv/lib/python3.12/site-packages/requests/sessions.py", line 589, in request
    resp = self.send(prep, **send_kwargs)
  File "/srv/venv/lib/python3.12/site-packages/requests/adapters.py", line 713, in send
    raise ReadTimeout(e, request=request)
requests.exceptions.ReadTimeout: payments.example: read timed out after 5 s

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/orders/checkout.py", line 117, in complete
    charge.pay(order)
  File "/srv/shop/billing/charge.py", line 44, in pay
    raise ChargeFailed(order) from error
billing.charge.ChargeFailed: no answer from the gateway after 3 attempts"""


def shop_records(count: int, until: datetime, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Yield records of the day before `until`, in no particular order, with the field names of the API."""
    chance = random.Random(seed)
    while count > 0:
        back = DAY_S * chance.random()
        at = until - timedelta(seconds=back)
        rush = 0.35 + 0.65 * math.exp(-(((at.hour + at.minute / 60 - 14) / 5) ** 2))
        if chance.random() > rush:
            continue
        count -= 1
        yield _record(chance, at, outage=abs(back - OUTAGE_S[0]) < OUTAGE_S[1] and chance.random() < 0.25)


def _record(chance: random.Random, at: datetime, *, outage: bool) -> dict[str, Any]:
    fields = {
        "order": chance.randint(1000, 9999),
        "number": chance.randint(10, 250),
        "uuid": uuid.UUID(int=chance.getrandbits(128)),
        "user": chance.choice(["alice", "bob", "carol", "dave"]),
    }
    drawn = chance.random()
    context: dict[str, Any] = {"order": fields["order"], "duration_ms": fields["number"]}
    if outage or drawn < 0.012:
        level = "CRITICAL" if drawn < 0.03 and outage else "ERROR"
        source, category, message = ERRORS[0] if outage else chance.choice(ERRORS)
        context |= {"gateway": {"name": "payments.example", "attempts": 3, "timeout_s": 5}, "exception": TRACEBACK}
        context["request"] = {"method": "POST", "path": f"/checkout/{fields['order']}/pay", "status": 502}
    elif drawn < 0.05:
        level, (source, category, message) = "WARNING", chance.choice(WARNINGS)
    elif drawn < 0.12:
        level, source, category, message = "DEBUG", "search", "search.cache", "Cache hit for products:{order}"
    else:
        level, (source, category, message) = "INFO", chance.choice(ORDINARY)
    return {
        "timestamp": at,
        "level": level,
        "category": category,
        "message": message.format(**fields),
        "source": f"{source}-{chance.randint(1, 2)}",
        "correlation_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "user_id": str(chance.randint(1, 40)) if chance.random() < 0.4 else None,
        "context": context,
    }
