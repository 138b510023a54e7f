"""Running probes: once for all who ask, never longer than the deadline, and never a thread more."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from tests.health import doubtful
from tests.support.health import Probes
from tests.support.waiting import eventually

DOUBTFUL = "tests.health.doubtful."


@pytest.fixture(autouse=True)
def doubt() -> Iterator[None]:
    """No probe has run, and none hangs when the test is over."""
    doubtful.runs.clear()
    doubtful.release.clear()
    yield
    doubtful.release.set()


def status(client: Client, path: str = "/ready") -> int:
    return client.get(f"/system-health{path}").status_code


def test_a_probe_that_warns_leaves_the_instance_ready(stranger: Client, probes: Probes) -> None:
    probes(disk=DOUBTFUL + "warns")

    assert status(stranger) == 200
    health = stranger.get("/system-health", headers={"Accept": "application/health+json"})
    assert (health.status_code, health.json()["status"]) == (200, "warn")


def test_a_probe_that_fails_takes_the_instance_out(stranger: Client, probes: Probes) -> None:
    probes(billing=DOUBTFUL + "fails")

    response = stranger.get("/system-health/ready")

    assert response.status_code == 503
    assert response.json()["db_ok"] is True  # it is not the database
    assert status(stranger, "") == 503


def test_a_failure_that_is_not_critical_is_a_warning(stranger: Client, probes: Probes) -> None:
    probes(billing={"PROBE": DOUBTFUL + "fails", "CRITICAL": False})

    health = stranger.get("/system-health/ready", headers={"Accept": "application/health+json"})

    assert (health.status_code, health.json()["status"]) == (200, "warn")


def test_a_probe_that_would_end_the_process_fails_at_once(stranger: Client, probes: Probes) -> None:
    probes(exits=DOUBTFUL + "exits", HEALTH={"CACHE_S": 0, "DEADLINE_S": 20})
    began = time.monotonic()

    assert [status(stranger), status(stranger)] == [503, 503]

    assert time.monotonic() - began < 10


def test_an_answer_that_is_no_text_is_a_failure(stranger: Client, probes: Probes) -> None:
    probes(says_no=DOUBTFUL + "says_no")

    assert status(stranger) == 503


def test_a_path_to_nothing_fails_the_probe_and_not_the_request(stranger: Client, probes: Probes) -> None:
    probes(nothing="nowhere.at_all")

    assert status(stranger) == 503


def test_a_hundred_requests_at_once_run_a_probe_once(probes: Probes) -> None:
    probes(slow=DOUBTFUL + "takes_a_moment", HEALTH={"CACHE_S": 60})

    with ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(lambda _: status(Client()), range(100)))

    assert statuses == [200] * 100
    assert doubtful.runs == ["takes_a_moment"]


def test_a_result_is_good_for_a_moment(stranger: Client, probes: Probes) -> None:
    probes(passes=DOUBTFUL + "passes", HEALTH={"CACHE_S": 60})

    for _ in range(3):
        status(stranger)

    assert doubtful.runs == ["passes"]


def test_liveness_and_metrics_run_no_probe(stranger: Client, probes: Probes) -> None:
    probes(passes=DOUBTFUL + "passes")

    assert status(stranger, "/live") == status(stranger, "/metrics") == 200

    assert doubtful.runs == []


def test_a_probe_that_hangs_costs_one_deadline_and_one_thread(stranger: Client, probes: Probes) -> None:
    deadline_s, requests = 0.4, 20
    probes(stuck=DOUBTFUL + "hangs", HEALTH={"DEADLINE_S": deadline_s, "CACHE_S": 0})

    began = time.monotonic()
    statuses = [status(stranger) for _ in range(requests)]

    assert statuses == [503] * requests
    assert time.monotonic() - began < requests * deadline_s / 2
    assert [thread.name for thread in threading.enumerate()].count("health stuck") == 1
    assert doubtful.runs == ["hangs"]


def test_a_probe_that_has_hung_is_believed_when_it_answers_in_time_again(stranger: Client, probes: Probes) -> None:
    probes(hangs=DOUBTFUL + "hangs", HEALTH={"DEADLINE_S": 0.1, "CACHE_S": 0})
    assert status(stranger) == 503

    doubtful.release.set()

    assert eventually(lambda: status(stranger) == 200)


def test_probes_that_hang_do_not_add_up(stranger: Client, probes: Probes) -> None:
    probes(HEALTH={"DEADLINE_S": 0.5}, **{f"hangs-{number}": DOUBTFUL + "hangs" for number in range(20)})
    status(stranger, "/live")

    began = time.monotonic()
    assert status(stranger) == 503

    assert time.monotonic() - began < 5


def test_a_probe_that_hangs_does_not_stall_the_event_loop(probes: Probes, settings: Settings) -> None:
    # Below a middleware that is sync only, Django would run the whole chain in one thread, and not on the loop.
    settings.MIDDLEWARE = ["health.middleware.HealthMiddleware"]
    probes(hangs=DOUBTFUL + "hangs", HEALTH={"DEADLINE_S": 30})

    async def ask() -> list[int]:
        waiting = asyncio.create_task(AsyncClient().get("/system-health/ready"))
        while not doubtful.runs:
            await asyncio.sleep(0)
        live = await AsyncClient().get("/system-health/live")
        assert not waiting.done()
        doubtful.release.set()
        ready = await waiting
        return [live.status_code, ready.status_code]

    assert asyncio.run(ask()) == [200, 200]


def test_a_client_that_goes_away_takes_nothing_from_the_others(probes: Probes) -> None:
    probes(slow=DOUBTFUL + "takes_a_moment")

    async def ask() -> int:
        impatient = asyncio.create_task(AsyncClient().get("/system-health/ready"))
        patient = asyncio.create_task(AsyncClient().get("/system-health/ready"))
        await asyncio.sleep(0.05)
        impatient.cancel()
        response = await patient
        return response.status_code

    assert asyncio.run(ask()) == 200


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_runs_its_own_probes(stranger: Client, probes: Probes) -> None:
    probes(passes=DOUBTFUL + "passes", HEALTH={"CACHE_S": 60})
    assert status(stranger) == 200

    child = os.fork()
    if child == 0:
        doubtful.runs.clear()
        os._exit(0 if status(stranger) == 200 and doubtful.runs == ["passes"] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_start_up_is_not_over_while_something_is_missing_and_then_for_good(
    stranger: Client, probes: Probes, fresh_start: None
) -> None:
    probes(billing=DOUBTFUL + "fails", HEALTH={"CACHE_S": 0})
    assert status(stranger, "/startup") == 503

    probes(billing=DOUBTFUL + "passes", HEALTH={"CACHE_S": 0})
    assert status(stranger, "/startup") == 200

    probes(billing=DOUBTFUL + "fails", HEALTH={"CACHE_S": 0})
    assert status(stranger, "/startup") == 200
    assert status(stranger) == 503
