"""Lets the correlation travel with Django's tasks (`django.tasks`, or its backport `django_tasks`).

Those carry nothing but their arguments, so it travels as a keyword argument that the function never sees:

    class Backend(CorrelatedTasks, DatabaseBackend): ...

and `TASKS = {"default": {"BACKEND": "path.to.Backend"}}`. Neither package is imported from here.
"""

from __future__ import annotations

from typing import Any

from systemlog.correlation.outgoing import correlated_by, outgoing_message

ARGUMENT = "_correlation"


class CorrelatedTasks:
    """Mixin for a task backend: its tasks run with the correlation that they were enqueued with, else a new one."""

    task_class: type

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if issubclass(cls.task_class, _CorrelatedTask):
            return  # of the backend that this one extends
        # By this name `pickle` finds it again, for queues that keep a task so.
        name = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.task_class"}
        cls.task_class = type("CorrelatedTask", (_CorrelatedTask, cls.task_class), name)


class _CorrelatedTask:
    __slots__ = ()

    def enqueue(self, *args: Any, **kwargs: Any) -> Any:
        return super().enqueue(*args, **_packed(kwargs))  # type: ignore[misc]  # of the backend's Task

    async def aenqueue(self, *args: Any, **kwargs: Any) -> Any:
        return await super().aenqueue(*args, **_packed(kwargs))  # type: ignore[misc]  # a mixin

    def call(self, *args: Any, **kwargs: Any) -> Any:
        with correlated_by(kwargs.pop(ARGUMENT, None)):
            return super().call(*args, **kwargs)  # type: ignore[misc]  # a mixin

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        with correlated_by(kwargs.pop(ARGUMENT, None)):
            return await super().acall(*args, **kwargs)  # type: ignore[misc]  # a mixin


def _packed(kwargs: dict[str, Any]) -> dict[str, Any]:
    message = outgoing_message()
    return {**kwargs, ARGUMENT: message} if message else kwargs
