"""Quarantine loses nothing that was put in, and landing always ends, whatever the database refuses."""

from __future__ import annotations

import gc
import io
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from systemlog import probes
from systemlog.journal import SystemLogHandler, directory
from systemlog.journal.framing import frame
from systemlog.journal.segments import HEADER_BYTES
from systemlog.landing import Lander
from systemlog.landing.quarantine import Quarantine
from systemlog.models import SystemLog
from systemlog.storage import Storage, get_storage
from tests.support.landing import TAKE_POISON, database, execute, row, stored, write

pytestmark = pytest.mark.django_db

SEGMENT = "2f1c9f3e-6f0e-4c55-9d3f-0f7b0b8f6a11"

REFUSE_ALL = {
    "sqlite": "CREATE TRIGGER refuse_all BEFORE INSERT ON system_logs BEGIN SELECT RAISE(ABORT, 'no'); END",
    "postgresql": """
        CREATE FUNCTION refuse_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER refuse_all BEFORE INSERT ON system_logs FOR EACH ROW EXECUTE FUNCTION refuse_all()""",
    "citus": "ALTER TABLE system_logs ADD CONSTRAINT refuse_all CHECK (level = 'none')",
}


@pytest.fixture
def own_records_journaled() -> Iterator[None]:
    """What the lander says of itself goes into the journal, as in a project whose root logger has the handler."""
    landing, handler = logging.getLogger("systemlog.landing"), SystemLogHandler()
    landing.addHandler(handler)
    yield
    landing.removeHandler(handler)


def test_what_is_said_of_a_refusal_is_not_refused_in_turn_without_end(
    folder: Path, lander: Lander, own_records_journaled: None
) -> None:
    execute(REFUSE_ALL[database()])
    write(folder, [row("1"), row("2"), row("3")])
    passes = 0
    while lander.land_once():
        passes += 1
        assert passes < 10, "each quarantined line begets another"
    kept = list(Quarantine(folder).lines())
    assert sum(b"\tc\there" in line.data for line in kept) == 3
    assert len(kept) <= 6


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"short",
        b"\t" * 11,
        b"x" * 100,
        b"2026-01-01 00:00:00.000000+00\t" + b"f" * 32 + b"\tINFO\tc",
        b"\xff" * 200,
    ],
    ids=["empty", "short", "tabs", "long", "cut", "bytes"],
)
def test_a_whole_line_that_is_no_record_goes_to_quarantine_and_the_rest_lands(
    folder: Path, lander: Lander, line: bytes
) -> None:
    before = row("before")
    write(folder, [before], noise=frame(line, 1) + frame(_line_of("after"), 1))
    lander.land_all()
    assert stored() == ["before", "after"]
    assert len(list(Quarantine(folder).lines())) == 1
    from systemlog.probes import collect

    assert list(collect())


def _line_of(message: str) -> bytes:
    from systemlog.records.copy_text import encode

    return encode(row(message))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b'{"version": 1, "segment": 5}',
        b'{"version": 1, "segment": "%s"}' % SEGMENT.encode(),
        b'{"version": 1, "segment": "%s", "columns": 1}' % SEGMENT.encode(),
        b"[" * HEADER_BYTES,
        b"\xff" * 20,
        None,
    ],
    ids=["empty", "number", "no columns", "other columns", "nested", "no text", "cut"],
)
def test_a_segment_without_a_whole_header_goes_to_quarantine_and_the_rest_lands(
    folder: Path, lander: Lander, header: bytes | None
) -> None:
    path = write(folder, [row("lost with its header")]).path
    data = path.read_bytes()
    path.write_bytes(data[:1000] if header is None else header)
    gc.collect()
    write(folder, [row("good")])
    lander.land_all()
    assert stored() == ["good"]
    assert [segment.name for segment in Quarantine(folder).segments()] == [path.name]


def test_an_entry_for_which_there_is_no_room_is_not_taken_for_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine, segment = Quarantine(folder), uuid.uuid4()
    whole = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: whole(descriptor, data[:10]))
    with pytest.raises(OSError, match="room"):
        quarantine.add(segment, 1, "why", b"line")
    monkeypatch.undo()
    assert quarantine.add(segment, 1, "why", b"line")
    assert [line.position for line in quarantine.lines()] == [1]


def test_what_is_put_in_while_another_line_is_taken_out_stays(folder: Path) -> None:
    segment = uuid.uuid4()
    for position in range(100):
        Quarantine(folder).add(segment, position, "why", b"line")

    def take_out() -> None:
        quarantine = Quarantine(folder)
        for position in range(100):
            quarantine.remove(str(segment), [position])

    taking = threading.Thread(target=take_out)
    taking.start()
    for position in range(1000, 1200):
        Quarantine(folder).add(segment, position, "why", b"line")
    taking.join()
    assert {line.position for line in Quarantine(folder).lines()} == set(range(1000, 1200))


def test_many_refused_lines_of_a_segment_are_not_read_again_for_each(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    read = Path.read_text

    def counting(path: Path, **options: str) -> str:
        reads.append(path)
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", counting)
    quarantine, segment = Quarantine(folder), uuid.uuid4()
    for position in range(100):
        quarantine.add(segment, position, "why", b"line")
    assert len(reads) <= 2


def test_replay_stores_what_the_database_takes_now(folder: Path, lander: Lander, poisoned: None) -> None:
    write(folder, [row("poison 1"), row("good"), row("poison 2")], noise=frame(b"no record", 1))
    lander.land_all()
    assert stored() == ["good"]
    execute(TAKE_POISON[database()])
    call_command("system_log_quarantine", replay=True)
    assert stored() == ["poison 1", "good", "poison 2"]
    assert [line.data for line in Quarantine(folder).lines()] == [b"no record"]
    assert SystemLog.objects.filter(category="c").count() == 3


@pytest.fixture
def told() -> Iterator[list[logging.LogRecord]]:
    """What landing says of itself."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    logging.getLogger("systemlog.landing").addHandler(handler)
    yield records
    logging.getLogger("systemlog.landing").removeHandler(handler)


def test_what_is_named_is_discarded_and_a_record_tells_of_it(folder: Path, told: list[logging.LogRecord]) -> None:
    quarantine, one, other = Quarantine(folder), uuid.uuid4(), uuid.uuid4()
    for position in (1, 2, 3):
        quarantine.add(one, position, "bad checksum", b"line")
        quarantine.add(other, position, "no record", b"line")
    segment = write(folder, [row("1")]).path
    quarantine.add_segment(segment)
    out = io.StringIO()
    call_command("system_log_quarantine", discard=[f"{one}:2", str(other), segment.name], stdout=out)
    assert out.getvalue() == "5 discarded, 2 in quarantine.\n"
    assert [line.name for line in quarantine.lines()] == [f"{one}:1", f"{one}:3"]
    assert quarantine.segments() == []
    (record,) = told
    assert record.__dict__["action"] == "quarantine.discarded"
    assert (record.__dict__["lines"], record.__dict__["segments"]) == (4, 1)
    assert record.__dict__["reasons"] == {
        "no record": 3,
        "bad checksum": 1,
        "a whole segment that could not be read": 1,
    }


def test_nothing_is_discarded_where_one_name_is_wrong(folder: Path, told: list[logging.LogRecord]) -> None:
    quarantine, segment = Quarantine(folder), uuid.uuid4()
    quarantine.add(segment, 1, "why", b"line")
    with pytest.raises(CommandError, match=f"There is no {segment}:2 in quarantine: nothing was discarded"):
        call_command("system_log_quarantine", discard=[f"{segment}:1", f"{segment}:2"])
    assert [line.position for line in quarantine.lines()] == [1]
    assert not told


def test_readiness_is_quiet_when_what_can_never_be_stored_is_discarded(folder: Path) -> None:
    Quarantine(folder).add(uuid.UUID(SEGMENT), 1, "why", b"line")
    assert "1 in quarantine" in (probes.journal() or "")
    call_command("system_log_quarantine", discard=[f"{SEGMENT}:1"])
    assert probes.journal() is None


def test_an_entry_that_a_crash_cut_short_does_not_spoil_the_next(folder: Path) -> None:
    quarantine = Quarantine(folder)
    quarantine.add(uuid.UUID(SEGMENT), 1, "why", b"one")
    with (folder / directory.QUARANTINE / f"{SEGMENT}.ndjson").open("a") as file:
        file.write('{"segment": "2f1c')
    assert Quarantine(folder).add(uuid.UUID(SEGMENT), 2, "why", b"two")
    assert [line.data for line in quarantine.lines()] == [b"one", b"two"]
    assert directory.count_quarantined(folder) == 2


def test_an_entry_that_the_disk_damaged_does_not_spoil_the_next(folder: Path) -> None:
    quarantine = Quarantine(folder)
    quarantine.add(uuid.UUID(SEGMENT), 1, "why", b"one")
    with (folder / directory.QUARANTINE / f"{SEGMENT}.ndjson").open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert Quarantine(folder).add(uuid.UUID(SEGMENT), 2, "why", b"two")
    assert [line.data for line in quarantine.lines()] == [b"one", b"two"]


def test_landers_that_remove_at_once_do_no_harm(
    journal: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal(JOURNAL_KEEP_S=0)
    write(folder, [row("1")])
    gc.collect()
    monkeypatch.setattr("systemlog.landing.lander.RECHECK_S", 0.0)
    removing = False

    def storage() -> Storage:
        for path in directory.segment_files(folder) if removing else ():
            path.unlink()  # after the lander has listed the folder, and before it is done
        return get_storage()

    one, other = Lander(folder), Lander(folder, storage=storage)
    one.land_once()
    other.land_once()
    removing = True
    other.land_once()
    assert stored() == ["1"]
