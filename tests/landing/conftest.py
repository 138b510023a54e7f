"""A journal with records in it, and landers of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from systemlog.journal import directory
from systemlog.landing import Lander
from tests.support.landing import database, execute


@pytest.fixture
def folder(journal: Callable[..., Path]) -> Path:
    """The folder of the present target."""
    folder = journal()
    directory.make_folder(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systemlog.landing.maintenance.EVERY_S", 0.0)


@pytest.fixture
def lander(folder: Path) -> Lander:
    """A lander of that folder."""
    return Lander(folder)


REFUSE_POISON = {
    "sqlite": """CREATE TRIGGER refuse_poison BEFORE INSERT ON system_logs WHEN NEW.message LIKE 'poison%'
        BEGIN SELECT RAISE(ABORT, 'poison'); END""",
    "postgresql": """
        CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.message LIKE 'poison%' THEN RAISE EXCEPTION 'poison'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse_poison BEFORE INSERT ON system_logs FOR EACH ROW EXECUTE FUNCTION refuse_poison()""",
    "citus": "ALTER TABLE system_logs ADD CONSTRAINT refuse_poison CHECK (message NOT LIKE 'poison%')",
}


@pytest.fixture
def poisoned(db: None) -> None:
    """A table that refuses messages which begin with `poison`."""
    execute(REFUSE_POISON[database()])
