"""Tests of the proof of one record, which the page of code in the documentation checks."""

from __future__ import annotations

import contextlib
import io
import json
import re
import runpy
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from django.core.management import CommandError, call_command

from systemlog.models import SystemLog
from systemlog.storage import get_storage
from tests.support.digests import at, attack, fill, row, run, seal

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "digests.md"


@pytest.fixture
def audit(tmp_path: Path, key: Path, sealed_log: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that runs the documentation's code on a proof, and returns its output."""
    (code,) = re.findall(r'```python\n("""audit.py.*?)```', DOCUMENTATION.read_text(), re.DOTALL)
    (tmp_path / "audit.py").write_text(code)

    def run_code(proof: Any) -> str:
        (tmp_path / "proof.json").write_text(json.dumps(proof))
        arguments = [tmp_path / "audit.py", tmp_path / "proof.json", f"{key}.pub", sealed_log / "digests.ndjson"]
        monkeypatch.setattr(sys, "argv", [str(each) for each in arguments])
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                runpy.run_path(str(arguments[0]), run_name="__main__")
        except (SystemExit, InvalidSignature, ValueError, StopIteration) as refusal:
            return f"refused: {type(refusal).__name__} {refusal}"
        return out.getvalue()

    return run_code


def prove(record_id: object, *arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("verify_system_logs", "--prove", str(record_id), *arguments, stdout=out, stderr=io.StringIO())
    proof: dict[str, Any] = json.loads(out.getvalue())
    return proof


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_an_auditor_checks_a_record_by_the_page_of_code(audit: Callable[..., str], count: int) -> None:
    rows = fill(2, 3, count=count)
    seal()
    for each in rows:
        said = audit(prove(each.id))
        assert f"Record {each.id.hex}" in said
        assert "chain of" in said


def test_nothing_of_a_proof_can_be_changed(audit: Callable[..., str]) -> None:
    rows = fill(3, count=5)
    seal()
    proof = prove(rows[2].id)
    assert not audit(proof).startswith("refused")
    wrong = [
        {**proof, "record": proof["record"].replace("m2", "m9")},
        {**proof, "index": 1},
        {**proof, "size": 6},
        {**proof, "hour": "2026-01-02T04"},
        {**proof, "path": [*proof["path"][:-1], "00" * 32]},
        {**proof, "path": proof["path"][:-1]},
        {**proof, "digest": proof["digest"].replace('"count":5', '"count":6')},
    ]
    assert all(audit(each).startswith("refused") for each in wrong)


def test_a_late_record_is_proved_by_the_digest_that_took_it_in(audit: Callable[..., str]) -> None:
    fill(3)
    seal()
    late = row(at(3, 50), "late", text="é\u2028\x1b[31m", big=2**70, f=1e-7)
    get_storage().insert([late])
    with pytest.raises(CommandError, match="2026-01-02T03"):
        prove(late.id)
    seal()
    proof = prove(late.id)
    assert "digest" in audit(proof)
    assert json.loads(proof["digest"])["kind"] == "resealed"


def test_a_pruned_record_is_proved_by_its_archive(audit: Callable[..., str], tmp_path: Path) -> None:
    rows = fill(2, 3)
    seal()
    run("archive_system_logs", "--before", "2026-01-04", "--to", str(tmp_path / "a"), "--prune")
    assert not SystemLog.objects.filter(id=rows[7].id).exists()
    with pytest.raises(CommandError, match="There is no record"):
        prove(rows[7].id)
    assert "Record" in audit(prove(rows[7].id, "--archive", str(tmp_path / "a")))


def test_an_archive_that_cannot_be_read_proves_nothing(sealed_log: Path, tmp_path: Path) -> None:
    rows = fill(2, 3)
    seal()
    run("archive_system_logs", "--before", "2026-01-04", "--to", str(tmp_path / "a"), "--prune")
    (file,) = (tmp_path / "a").glob("*.gz")
    whole = file.read_bytes()
    for content in (whole[:-20], b"no archive", None):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        with pytest.raises(CommandError, match="archive"):
            prove(rows[0].id, "--archive", str(tmp_path / "a"))
    with pytest.raises(CommandError, match="archive"):
        prove(rows[0].id, "--archive", str(tmp_path / "nowhere"))


def test_there_is_no_proof_of_an_altered_hour_or_of_the_open_one(sealed_log: Path) -> None:
    rows = fill(3)
    now = row(datetime.now(UTC), "now")
    get_storage().insert([now])
    seal()
    with pytest.raises(CommandError, match="not sealed yet"):
        prove(now.id)
    attack("UPDATE system_logs SET message = 'x' WHERE message = 'm1'")
    with pytest.raises(CommandError, match="2026-01-02T03"):
        prove(rows[2].id)
    with pytest.raises(CommandError, match="There is no record"):
        prove("019b7e5c-0000-7000-8000-000000000000")
