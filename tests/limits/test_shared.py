"""The file of the shared store: it survives whatever happens to files, processes and clocks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from systemlog.limits.gcra import SECOND_NS, make_rate
from systemlog.limits.stores import file
from systemlog.limits.stores.interface import StoreUnavailable
from systemlog.limits.stores.shared import ROW_BYTES, ROWS, SharedStore
from tests.support.servers import PROJECT

DAY_NS = 86_400 * SECOND_NS
ONE = make_rate(1, DAY_NS, 1)
SECOND_OF_A_BUSY_MACHINE_S = 3
SIZE = file.HEADER_BYTES + ROWS * ROW_BYTES

LOCK = """
import sys
from pathlib import Path
from systemlog.limits.stores.shared import ROW_BYTES, SharedStore
store = SharedStore(Path(sys.argv[1]))
store.check()
store._file.open().lock(int(sys.argv[2]), ROW_BYTES)
print("locked", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits" / "times"


@pytest.fixture
def store(path: Path) -> Iterator[SharedStore]:
    store = SharedStore(path)
    yield store
    store.close()


def look_at_the_file(store: SharedStore) -> None:
    """As if a second had passed."""
    store._is_look_due = True


@contextmanager
def locked(path: Path, key: bytes) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock of the key's row."""
    row = (key[0] << 8 | key[1]) % ROWS * ROW_BYTES
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path), str(row)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ops_platform.settings"},
    )
    try:
        assert process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_file_is_private_and_has_room_for_all_of_itself(store: SharedStore, path: Path) -> None:
    store.check()

    status = path.stat()
    assert (status.st_mode & 0o777, status.st_size) == (0o600, SIZE)
    assert status.st_blocks * 512 >= SIZE


def test_a_process_that_is_killed_leaves_no_lock(store: SharedStore, path: Path) -> None:
    key = os.urandom(16)
    store.check()
    with locked(path, key) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert store.take(key, ONE) >= 0


def test_a_process_that_was_stopped_holds_nobody_up_for_long(store: SharedStore, path: Path) -> None:
    key, other = bytes(16), bytes([1]) * 16
    store.check()
    with locked(path, key) as process:
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="its lock is held by a process that does not go on"):
            store.take(key, ONE)
        assert time.monotonic() - began < SECOND_OF_A_BUSY_MACHINE_S
        assert store.take(other, ONE) >= 0


def test_a_file_that_is_deleted_is_made_again_with_what_it_held(store: SharedStore, path: Path) -> None:
    key = os.urandom(16)
    assert store.take(key, ONE) >= 0
    path.unlink()
    look_at_the_file(store)

    assert store.take(key, ONE) < 0
    assert path.stat().st_size == SIZE
    assert SharedStore(path).take(key, ONE) < 0


def test_a_directory_that_is_deleted_is_made_again(store: SharedStore, path: Path) -> None:
    key = os.urandom(16)
    assert store.take(key, ONE) >= 0
    path.unlink()
    path.parent.rmdir()
    look_at_the_file(store)

    assert store.take(key, ONE) < 0


@pytest.mark.parametrize("length", [0, 10, file.HEADER_BYTES, SIZE - 5])
def test_a_file_that_is_cut_short_is_extended(store: SharedStore, path: Path, length: int) -> None:
    store.check()
    os.truncate(path, length)

    assert store.take(os.urandom(16), ONE) >= 0
    look_at_the_file(store)
    key = os.urandom(16)
    assert store.take(key, ONE) >= 0
    assert store.take(key, ONE) < 0
    assert path.stat().st_size == SIZE


@pytest.mark.parametrize("content", [b"", b"no such file", b"\xff" * SIZE, os.urandom(SIZE), os.urandom(2 * SIZE)])
def test_a_file_of_something_else_is_emptied(store: SharedStore, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    keys = [os.urandom(16) for _ in range(50)]
    assert all(store.take(key, ONE) >= 0 for key in keys)
    assert all(store.take(key, ONE) < 0 for key in keys)
    assert path.stat().st_size == SIZE


def test_rows_of_noise_hold_nobody_up(store: SharedStore, path: Path) -> None:
    store.check()
    with path.open("r+b") as damaged:
        damaged.seek(file.HEADER_BYTES)
        damaged.write(os.urandom(ROWS * ROW_BYTES))

    keys = [os.urandom(16) for _ in range(50)]
    assert all(store.take(key, ONE) >= 0 for key in keys)
    assert all(store.take(key, ONE) < 0 for key in keys)


def test_a_link_is_not_followed(store: SharedStore, path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    (tmp_path / "precious").write_text("precious")
    path.symlink_to(tmp_path / "precious")

    with pytest.raises(StoreUnavailable):
        store.take(os.urandom(16), ONE)
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_full_disk_makes_the_store_unavailable_and_no_longer(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(StoreUnavailable, match="No space left on device"):
            store.take(os.urandom(16), ONE)

    assert store.take(os.urandom(16), ONE) >= 0


def test_a_reboot_goes_on_with_the_limits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the host begins anew; the calendar's goes on."""
    key, other = os.urandom(16), os.urandom(16)
    of_two = make_rate(2, 100 * SECOND_NS, 2)
    booted = file.now_ns() - 30 * DAY_NS  # the host had been up for a month
    before = SharedStore(path)
    monkeypatch.setattr("systemlog.limits.stores.shared.now_ns", lambda: time.time_ns() - booted)
    monkeypatch.setattr("systemlog.limits.stores.file.now_ns", lambda: time.time_ns() - booted)
    assert before.take(key, of_two) >= 0
    assert before.take(key, of_two) >= 0
    assert before.take(other, of_two) >= 0
    before.close()

    booted = time.time_ns() - SECOND_NS
    monkeypatch.setattr("systemlog.limits.stores.file._boot_id", lambda: b"another".ljust(36, b"\0"))
    after = SharedStore(path)

    assert after.take(key, of_two) < 0
    assert after.take(other, of_two) >= 0
    assert after.take(other, of_two) < 0


@pytest.mark.parametrize("days", [-1, 1])
def test_a_reboot_after_the_time_of_day_was_set_goes_on_with_the_limits(
    path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    key, of_two = os.urandom(16), make_rate(2, 100 * SECOND_NS, 2)
    real = time.time_ns
    before = SharedStore(path)
    assert before.take(key, of_two) >= 0
    monkeypatch.setattr(time, "time_ns", lambda: real() + days * DAY_NS)
    look_at_the_file(before)
    assert before.take(key, of_two) >= 0
    assert before.take(key, of_two) < 0
    before.close()

    booted = time.time_ns() - SECOND_NS
    monkeypatch.setattr("systemlog.limits.stores.shared.now_ns", lambda: time.time_ns() - booted)
    monkeypatch.setattr("systemlog.limits.stores.file.now_ns", lambda: time.time_ns() - booted)
    monkeypatch.setattr("systemlog.limits.stores.file._boot_id", lambda: b"another".ljust(36, b"\0"))

    assert -50 * SECOND_NS <= SharedStore(path).take(key, of_two) < -40 * SECOND_NS


def test_a_clock_that_goes_back_refuses_nobody_for_longer_than_an_interval(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, of_two = os.urandom(16), make_rate(2, 100 * SECOND_NS, 2)
    now = file.now_ns() + 10 * DAY_NS
    monkeypatch.setattr("systemlog.limits.stores.shared.now_ns", lambda: now)
    assert store.take(key, of_two) >= 0
    now -= 10 * DAY_NS

    assert store.take(key, of_two) == -50 * SECOND_NS
    now += 50 * SECOND_NS
    assert store.take(key, of_two) == 0


def test_a_full_row_forgets_the_key_that_is_least_limited(store: SharedStore) -> None:
    def key(number: int) -> bytes:
        return bytes([0, 0, number]) + bytes(13)

    rates = [make_rate(1, (10 + number) * SECOND_NS, 1) for number in range(9)]
    for number in range(9):
        assert store.take(key(number), rates[number]) >= 0

    for number in range(1, 9):
        assert store.take(key(number), rates[number]) < 0
    assert store.take(key(0), rates[0]) >= 0


def test_any_number_of_keys_takes_the_same_room(store: SharedStore, path: Path) -> None:
    short = make_rate(1, SECOND_NS, 1)
    for number in range(20_000):
        store.take(number.to_bytes(16, "little"), short)

    assert path.stat().st_size == SIZE


def test_a_child_goes_on_with_the_file_of_its_parent(store: SharedStore) -> None:
    """As under a server that loads the application before it forks."""
    key, of_two = os.urandom(16), make_rate(2, DAY_NS, 2)
    assert store.take(key, of_two) >= 0
    script = f"""
import os
from pathlib import Path
from systemlog.limits.gcra import make_rate
from systemlog.limits.stores.shared import SharedStore
store, of_two = SharedStore(Path({str(store._file.path)!r})), make_rate(2, {DAY_NS}, 2)
key = bytes.fromhex({key.hex()!r})
store.check()
store._lock.acquire()  # as another thread may, while this one forks
child = os.fork()
if child == 0:
    os._exit(0 if store.take(key, of_two) >= 0 else 1)
store._lock.release()
status = os.waitpid(child, 0)[1]
print(status, store.take(key, of_two) < 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ops_platform.settings"},
    )
    assert done.stdout == "0 True\n", json.dumps(done.stderr)
