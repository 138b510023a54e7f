"""The timestamps of records: the clock of the process, and the time of records that were held back."""

from __future__ import annotations

import datetime
import logging
import logging.handlers
import time

import pytest

from systemlog.records.ids import instant_of
from systemlog.storage import Row

Logger = logging.Logger
Records = list[Row]


def test_timestamps_rise_and_ids_with_them(logger: Logger, records: Records) -> None:
    for number in range(200):
        logger.info("%d", number)
    assert [record.timestamp for record in records] == sorted({record.timestamp for record in records})
    assert [record.id for record in records] == sorted({record.id for record in records})


def logged_at(created: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "x", "levelno": 20, "msg": "m", "created": created})


@pytest.mark.parametrize("ago", [0.11, 3600, 400 * 86_400, -3600], ids=str)
def test_a_record_that_was_held_back_is_of_the_instant_when_it_was_logged(
    logger: Logger, records: Records, ago: float
) -> None:
    created = datetime.datetime.fromtimestamp(round(time.time() - ago, 6), datetime.UTC)

    logger.handle(logged_at(created.timestamp()))

    assert records[0].timestamp == created
    assert instant_of(records[0].id) == created


def test_a_record_that_comes_at_once_is_of_the_processs_clock(logger: Logger, records: Records) -> None:
    logger.info("first")
    logger.handle(logged_at(time.time() - 0.05))

    assert records[0].timestamp < records[1].timestamp


def test_records_that_were_held_back_together_keep_their_order(logger: Logger, records: Records) -> None:
    created = time.time() - 60
    for _ in range(100):
        logger.handle(logged_at(created))

    keys = [(each.timestamp, each.id) for each in records]
    assert keys == sorted(set(keys))


def test_a_memory_handler_does_not_change_when_a_record_was_logged(logger: Logger, records: Records) -> None:
    target = logger.handlers[0]
    holding = logging.handlers.MemoryHandler(10, target=target)
    logger.handlers = [holding]
    held = logged_at(time.time() - 5)
    logger.handle(held)
    holding.flush()
    holding.close()

    assert abs(records[0].timestamp.timestamp() - held.created) < 0.000_01


@pytest.mark.parametrize("created", [float("nan"), float("inf"), -1.0, 0, 1e18, 10**400, "yesterday", None], ids=repr)
def test_a_record_without_a_time_of_creation_gets_the_current_time(
    logger: Logger, records: Records, created: object
) -> None:
    before = datetime.datetime.now(datetime.UTC)

    logger.handle(logged_at(created))

    assert before <= records[0].timestamp <= datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)


def test_the_time_of_creation_may_be_an_integer(logger: Logger, records: Records) -> None:
    logger.handle(logged_at(1_700_000_000))

    assert records[0].timestamp.timestamp() == 1_700_000_000
