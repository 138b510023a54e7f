"""Asks a store as fast as it can, in a process of its own: `python -m tests.limits.hammer '{"store": "shared", …}'`.

Writes "ready", waits for a line, asks `times` times for `key`, and writes how many were admitted.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import django

PATIENCE_S = 20
"""How long a store may take for an answer, while several processes ask as fast as they can."""


def main(given: dict[str, Any]) -> None:
    """Ask, as `given` says."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ops_platform.settings")
    django.setup()
    from django.conf import settings

    from systemlog.limits import guard
    from systemlog.limits.gcra import SECOND_NS, make_rate
    from systemlog.limits.stores import database

    for alias, name in given.get("databases", {}).items():
        settings.DATABASES[alias]["NAME"] = name
    settings.SYSTEMLOG |= {"LIMITS_STORE": given["store"], "LIMITS_DIR": given["directory"]}
    rate = make_rate(given["quota"], given["window"] * SECOND_NS, given["quota"])
    database.TIMEOUT_S = PATIENCE_S
    store = guard.guard().store
    store.check()
    print("ready", flush=True)  # noqa: T201  (to the test)
    sys.stdin.readline()
    key = bytes.fromhex(given["key"])
    print(sum(store.take(key, rate) >= 0 for _ in range(given["times"])), flush=True)  # noqa: T201  (to the test)
    sys.stdin.readline()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
