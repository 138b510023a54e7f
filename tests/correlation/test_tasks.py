"""Django's tasks run with the correlation of the code that enqueued them."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from systemlog.correlation import correlated, get_correlation_id
from systemlog.correlation.integrations.tasks import CorrelatedTasks

try:
    from django.tasks import TaskContext, task, task_backends
    from django.tasks.backends.dummy import DummyBackend
    from django.tasks.backends.immediate import ImmediateBackend
except ImportError:  # before Django 6
    from django_tasks import TaskContext, task, task_backends
    from django_tasks.backends.dummy import DummyBackend
    from django_tasks.backends.immediate import ImmediateBackend


class Immediate(CorrelatedTasks, ImmediateBackend):
    """A backend that runs a task at once."""


class Queue(CorrelatedTasks, DummyBackend):
    """A backend that keeps a task, which the test runs as a worker would."""


def seen(suffix: str = "") -> str:
    return f"{get_correlation_id()}{suffix}"


async def async_seen() -> str | None:
    return get_correlation_id()


def seen_with_context(context: TaskContext) -> str | None:
    return get_correlation_id()


@pytest.fixture(autouse=True)
def _backends(settings: Settings) -> None:
    settings.TASKS = {
        "default": {"BACKEND": f"{__name__}.Immediate"},
        "queue": {"BACKEND": f"{__name__}.Queue"},
    }


@pytest.mark.parametrize("function", [seen, async_seen])
def test_a_task_has_the_id_of_who_enqueued_it(function: Any) -> None:
    with correlated("given"):
        assert task(function).enqueue().return_value == "given"


def test_a_task_enqueued_by_async_code_has_it_too() -> None:
    async def enqueue() -> Any:
        with correlated("given"):
            return await task(async_seen).aenqueue()

    assert asyncio.run(enqueue()).return_value == "given"


def test_a_task_that_takes_its_context_and_arguments_has_it_too() -> None:
    with correlated("given"):
        assert task(takes_context=True)(seen_with_context).enqueue().return_value == "given"
        assert task(seen).enqueue("!").return_value == "given!"
        assert task(seen).using(priority=1).enqueue(suffix="!").return_value == "given!"


def test_a_worker_elsewhere_runs_it_with_the_id_that_came_along(monkeypatch: pytest.MonkeyPatch) -> None:
    queued = task(backend="queue")(seen)
    monkeypatch.setitem(globals(), "seen", queued)  # the module attribute that the decorator sets
    with correlated("given"):
        result = queued.enqueue("!")

    assert result.task.call(*result.args, **result.kwargs) == "given!"
    assert get_correlation_id() is None


def test_a_task_without_an_id_gets_a_new_one() -> None:
    first, second = (task(seen).enqueue().return_value for _ in range(2))

    assert len(first) == len(second) == 36
    assert first != second


def test_a_task_can_be_pickled_for_a_queue() -> None:
    assert pickle.loads(pickle.dumps(Immediate.task_class)) is Immediate.task_class  # noqa: S301  (our own bytes)


def test_a_correlated_backend_can_be_extended() -> None:
    class Extended(Immediate):
        """A backend that extends another one."""

    assert Extended.task_class is Immediate.task_class


def test_the_mixin_leaves_the_backends_of_others_alone() -> None:
    assert ImmediateBackend.task_class is not Immediate.task_class
    assert issubclass(Immediate.task_class, ImmediateBackend.task_class)
    assert isinstance(task_backends["default"], Immediate)
