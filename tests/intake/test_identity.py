"""The id of a record carries its instant."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from systemlog.identity import EPOCH, derive_id, instant_of, mint_id, next_instant

instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants)
def test_an_id_gives_back_the_microsecond_that_it_was_made_from(instant: datetime) -> None:
    made = mint_id(instant)
    assert instant_of(made) == instant
    assert made.version == 7
    assert made.variant == uuid.RFC_4122


@given(instants, st.integers(1, 10**12))
def test_a_later_instant_has_a_greater_id(instant: datetime, microseconds: int) -> None:
    earlier = instant - timedelta(microseconds=microseconds)
    if earlier >= EPOCH:
        assert mint_id(earlier) < mint_id(instant)


@given(st.uuids())
def test_any_uuid_has_an_instant_or_none(some_id: uuid.UUID) -> None:
    instant = instant_of(some_id)
    assert (instant is not None) <= (some_id.version == 7)


def test_a_derived_id_depends_on_instant_text_and_ordinal_alone() -> None:
    digest = hashlib.sha256(b"a line").digest()
    made = [derive_id(EPOCH + timedelta(days=day), digest, ordinal) for day in (0, 1) for ordinal in (0, 1)] * 2
    assert len(set(made)) == 4


def test_the_clock_of_a_process_never_shows_the_same_time_twice() -> None:
    instants = [next_instant() for _ in range(2000)]
    assert len(set(instants)) == len(instants)
    assert instants == sorted(instants)
