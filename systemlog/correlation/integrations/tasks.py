"""Sends the correlation along with Django's tasks (`django.tasks`, or its backport `django_tasks`).

    class Backend(CorrelatedTasks, DatabaseBackend): ...

Set `TASKS = {"default": {"BACKEND": "path.to.Backend"}}`. A task carries only its arguments, so the correlation is a
keyword argument, which is removed before the function is called. Neither package is imported here.
"""

from __future__ import annotations

from typing import Any

from systemlog.correlation.outgoing import correlated_by, outgoing_message

ARGUMENT = "_correlation"


class CorrelatedTasks:
    """A mixin for a task backend. Its tasks run with the correlation of the code that enqueued them, or a new one."""

    task_class: type

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if issubclass(cls.task_class, _CorrelatedTask):
            return  # the parent backend has it already
        # `pickle` finds the class by this name, in queues that pickle their tasks.
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
