"""How many bytes the requests of a process may hold together."""

from __future__ import annotations

import pytest

from systemlog.ingest.endpoint import FREE_BYTES, HELD_BYTES, holding
from systemlog.ingest.errors import NoRoom


def test_one_request_may_always_hold_its_own() -> None:
    with holding() as hold:
        for _ in range(3):
            hold(HELD_BYTES)


def test_a_large_request_is_refused_while_another_holds_so_much_and_a_small_one_never_is() -> None:
    with holding() as large, holding() as other, holding() as small:
        large(HELD_BYTES)
        small(FREE_BYTES)
        with pytest.raises(NoRoom):
            other(FREE_BYTES + 1)
    with holding() as later:
        later(FREE_BYTES + 1)
    with holding() as large:
        large(HELD_BYTES)
