"""The id of a record carries its instant."""

from __future__ import annotations

import hashlib
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from systemlog.records.ids import EPOCH, derive_id, instant_of, mint_id, new_key_bytes, next_instant

instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  (the zone is beside it)


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


def read_key(key: bytes) -> tuple[datetime, uuid.UUID]:
    timestamp, id_ = key.decode().split("\t")
    return datetime.fromisoformat(timestamp), uuid.UUID(id_)


def test_a_key_of_now_is_an_instant_and_its_id() -> None:
    began = datetime.now(UTC)
    last = next_instant()  # may be ahead of the time, after other tests took many instants
    instant, id_ = read_key(new_key_bytes())
    assert began <= instant
    assert last < instant <= max(datetime.now(UTC), last + timedelta(microseconds=1))
    assert instant_of(id_) == instant
    assert id_.variant == uuid.RFC_4122


def test_keys_of_threads_are_all_different_and_each_threads_ascend() -> None:
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: [new_key_bytes() for _ in range(5000)], range(4)))
    for keys in taken:
        assert keys == sorted(keys)
    assert len({key.split(b"\t")[1] for keys in taken for key in keys}) == 20_000


def test_a_forked_process_counts_its_ids_from_elsewhere() -> None:
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, new_key_bytes())
        os._exit(0)
    os.waitpid(child, 0)
    ours, theirs = (read_key(key)[1].int & 2**62 - 1 for key in (new_key_bytes(), os.read(reading, 200)))
    assert abs(ours - theirs) > 1000
    os.close(reading)
    os.close(writing)
