"""The number of different users who had an error of a group, from hashes of the users."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper

from systemlog.models import Group
from systemlog.storage.group_counts import MAX_USERS, USERS

USERS_AT_ONCE = 100


def hash_of_user(user: str) -> int:
    """Return the hash of a user id as a signed integer of 64 bits, as the column stores it."""
    return int.from_bytes(hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def add_users(cursor: CursorWrapper, group: Group, users: Iterable[str]) -> None:
    """Add users to a group, and count those that are new to it, up to `MAX_USERS`."""
    hashes = sorted({hash_of_user(user) for user in users})
    for start in range(0, len(hashes), USERS_AT_ONCE):
        if group.users >= MAX_USERS:
            return
        some = hashes[start : start + USERS_AT_ONCE]
        marks = ", ".join(["(%s, %s)"] * len(some))
        values = [value for each in some for value in (group.id, each)]
        cursor.execute(f'INSERT INTO {USERS} (group_id, "user") VALUES {marks} ON CONFLICT DO NOTHING', values)
        group.users = min(MAX_USERS, group.users + max(0, cursor.rowcount))


def users_of(cursor: CursorWrapper, group: Group) -> int:
    """Return the number of users that are stored for a group, at most `MAX_USERS`."""
    cursor.execute(f"SELECT count(*) FROM {USERS} WHERE group_id = %s", [group.id])
    return min(MAX_USERS, int(cursor.fetchone()[0]))
