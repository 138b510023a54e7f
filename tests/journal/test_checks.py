"""The system checks of the logging configuration."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from logging.handlers import MemoryHandler, QueueHandler

import pytest
from django.core.checks import CheckMessage, Tags, run_checks

from systemlog.journal import SystemLogHandler

pytestmark = pytest.mark.django_db  # Django 6.1 asks the database in some of its own checks

REQUEST, DJANGO = logging.getLogger("django.request"), logging.getLogger("django")


def complaints() -> list[CheckMessage]:
    return [each for each in run_checks(tags=[Tags.compatibility]) if "systemlog.W04" in str(each.id)]


@pytest.fixture(autouse=True)
def _logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the root logger has handlers; all handlers are restored afterwards."""
    for logger in (logging.root, DJANGO, REQUEST):
        monkeypatch.setattr(logger, "handlers", [])
        monkeypatch.setattr(logger, "propagate", True)
        monkeypatch.setattr(logger, "level", logging.NOTSET)
        monkeypatch.setattr(logger, "disabled", False)
    logging.root.addHandler(SystemLogHandler())
    logging.root.setLevel(logging.INFO)


def test_a_handler_at_the_root_is_enough() -> None:
    assert complaints() == []


def test_a_project_without_a_handler_of_ours_is_warned() -> None:
    logging.root.handlers = [logging.StreamHandler()]

    (warning,) = complaints()
    assert (warning.id, warning.is_serious()) == ("systemlog.W040", False)
    assert "'systemlog.journal.SystemLogHandler'" in str(warning.hint)


@pytest.mark.parametrize("logger", [REQUEST, DJANGO], ids=lambda logger: logger.name)
def test_a_logger_of_errors_that_does_not_propagate_is_named(logger: logging.Logger) -> None:
    logger.handlers, logger.propagate = [logging.StreamHandler()], False

    (warning,) = complaints()
    assert (warning.id, warning.is_serious()) == ("systemlog.W041", False)
    assert f"the logger {logger.name!r} has no handler of ours, and does not propagate" in warning.msg


def test_a_logger_with_a_handler_of_its_own_need_not_propagate() -> None:
    REQUEST.handlers, REQUEST.propagate = [SystemLogHandler()], False

    assert complaints() == []


def test_a_handler_above_a_logger_that_does_not_propagate_is_enough() -> None:
    DJANGO.handlers, DJANGO.propagate = [SystemLogHandler()], False
    logging.root.handlers = []

    assert complaints() == []


def test_a_logger_that_is_disabled_is_named() -> None:
    REQUEST.disabled = True

    assert "disable_existing_loggers" in complaints()[0].msg


def test_a_logger_whose_level_is_too_high_is_named() -> None:
    DJANGO.setLevel(logging.CRITICAL)

    assert "level of the logger 'django.request' is above ERROR" in complaints()[0].msg


def test_a_handler_whose_level_is_too_high_is_named() -> None:
    logging.root.handlers[0].setLevel(logging.CRITICAL)

    assert "level of the handler" in complaints()[0].msg


@pytest.mark.parametrize(
    "make",
    [lambda: MemoryHandler(10, target=SystemLogHandler()), lambda: QueueHandler(queue.SimpleQueue())],
    ids=["memory", "queue"],
)
def test_a_handler_may_stand_behind_another(make: Callable[[], logging.Handler]) -> None:
    # Made here: dictConfig in another test closes every handler that there is, and this one then has no target.
    logging.root.handlers = [make()]

    assert complaints() == []
