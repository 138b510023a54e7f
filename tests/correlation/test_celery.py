"""Celery tasks run with the correlation of the code that sent them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import celery
import pytest
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun

from systemlog.correlation import correlated, get_correlation_id
from systemlog.correlation.integrations import celery as correlation_celery

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def app() -> Iterator[celery.Celery]:
    """A Celery application with a worker in a thread and a broker in memory."""
    app = celery.Celery("site", broker="memory://", backend="cache+memory://", set_as_current=False, fixups=[])
    app.conf.update(
        broker_transport_options={"polling_interval": 0.01},
        broker_connection_retry_on_startup=False,
    )

    @app.task(name="seen")
    def seen() -> str | None:
        return get_correlation_id()

    @app.task(name="sends")
    def sends() -> str:
        return str(seen.delay().id)

    @app.task(name="fails")
    def fails() -> None:
        raise LookupError(get_correlation_id())

    @app.task(name="retries", bind=True, max_retries=2)
    def retries(self: celery.Task, ids: list[str | None]) -> list[str | None]:
        if len(ids) < 2:
            raise self.retry(args=[[*ids, get_correlation_id()]], countdown=0)
        return ids

    correlation_celery.connect()
    with start_worker(app, perform_ping_check=False, pool="solo", loglevel="ERROR"):
        yield app
    for signal in (before_task_publish, task_prerun, task_postrun, setup_logging):
        for receiver in ("_pack", "_enter", "_leave", "_keep_logging"):
            signal.disconnect(dispatch_uid=f"systemlog.correlation.{receiver}")


def result(app: celery.Celery, name: str, *args: object) -> object:
    return app.tasks[name].delay(*args).get(TIMEOUT_S, disable_sync_subtasks=False)


def test_a_task_has_the_id_of_who_sent_it(app: celery.Celery) -> None:
    with correlated("given"):
        assert result(app, "seen") == "given"


def test_a_task_sent_by_a_task_has_it_too(app: celery.Celery) -> None:
    with correlated("given"):
        inner = result(app, "sends")

    assert app.AsyncResult(inner).get(TIMEOUT_S) == "given"


def test_a_task_that_is_tried_again_keeps_it(app: celery.Celery) -> None:
    with correlated("given"):
        assert result(app, "retries", []) == ["given", "given"]


def test_a_task_without_an_id_gets_a_new_one_and_nothing_of_the_one_before(app: celery.Celery) -> None:
    with correlated("given"), pytest.raises(LookupError, match="given"):
        result(app, "fails")
    first, second = result(app, "seen"), result(app, "seen")

    assert len(str(first)) == len(str(second)) == 36
    assert first != second


def test_an_eager_task_has_the_id_of_the_code_around_it(app: celery.Celery) -> None:
    with correlated("given"):
        assert app.tasks["seen"].apply().get() == "given"
        assert get_correlation_id() == "given"


@pytest.mark.parametrize(("handler", "written"), [("", "INFO/MainProcess] seen\n"), ("logging.basicConfig()", "")])
def test_a_worker_writes_lines_of_its_own_only_where_the_root_logger_has_no_handler(handler: str, written: str) -> None:
    code = f"""
import logging
{handler}
from celery import Celery
from systemlog.correlation.integrations.celery import connect
connect()
Celery("site", fixups=[]).log.setup("INFO")
logging.getLogger("x").info("seen")
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr.endswith(written)
    assert bool(done.stderr) == bool(written)
