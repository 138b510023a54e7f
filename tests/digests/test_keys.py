"""Tests of the key: who can read the key, who can sign with it, and where it must never appear."""

from __future__ import annotations

import io
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

from systemlog.digests import keys
from systemlog.models import SystemLog
from tests.support.digests import at, fill, run, seal, sql, verify


def test_the_command_makes_a_private_and_a_public_file_and_replaces_none(tmp_path: Path) -> None:
    file = tmp_path / "key"
    run("create_digest_key", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keys.read_public_key(tmp_path / "key.pub").raw
    before = file.read_bytes()
    with pytest.raises(CommandError, match="exists"):
        run("create_digest_key", str(file))
    file.unlink()
    with pytest.raises(CommandError, match="exists"):
        run("create_digest_key", str(file))
    assert not file.exists()
    assert before


def test_openssl_reads_both_files(tmp_path: Path, key: Path) -> None:
    for arguments in (["-in", str(key)], ["-pubin", "-in", f"{key}.pub"]):
        read = subprocess.run(
            ["openssl", "pkey", *arguments, "-text", "-noout"], capture_output=True, text=True, check=False
        )
        assert "ED25519" in read.stdout.upper(), read.stderr


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_that_others_can_use_is_refused(sealed_log: Path, key: Path, mode: int) -> None:
    fill(3)
    key.chmod(mode)
    with pytest.raises(CommandError, match="chmod 600"):
        seal()
    assert [message.id for message in run_checks(tags=["security"]) if message.id == "systemlog.E130"]
    key.chmod(0o600)
    seal()


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n"]
)
def test_an_error_shows_nothing_of_the_file(sealed_log: Path, key: Path, content: bytes) -> None:
    secret = key.read_bytes()
    key.write_bytes(content + secret.splitlines()[1] if content else content)
    with pytest.raises(CommandError) as error:
        seal()
    assert secret.splitlines()[1].decode() not in str(error.value)
    assert error.value.__cause__ is None


def test_the_key_is_nowhere_in_the_database_in_the_records_and_outside(sealed_log: Path, key: Path) -> None:
    fill(3)
    seal()
    secret = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(secret, Ed25519PrivateKey)
    raw = secret.private_bytes_raw()
    everything = (
        "".join(map(str, sql("SELECT line FROM system_log_digest"))) + (sealed_log / "digests.ndjson").read_text()
    )
    everything += "".join(map(str, SystemLog.objects.values_list()))
    for shape in (raw.hex(), str(raw), key.read_text().splitlines()[1]):
        assert shape not in everything


def test_verifying_needs_the_public_key_alone(sealed_log: Path, key: Path, settings: Any) -> None:
    fill(3)
    seal()
    key.unlink()
    assert verify("--public-key", f"{key}.pub") == []
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DIGEST_KEY": ""}
    with pytest.raises(CommandError, match="DIGEST_KEY"):
        call_command("verify_system_logs", stdout=io.StringIO())
    assert verify("--public-key", f"{key}.pub") == []
    keys.create(key.with_name("other"))
    assert "2026-01-02T03" in verify("--public-key", f"{key.with_name('other')}.pub")


def test_another_key_goes_on_with_the_chain(sealed_log: Path, key: Path, settings: Any) -> None:
    fill(3)
    seal(4)
    fill(3)
    new = key.with_name("new.key")
    keys.create(new)
    settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DIGEST_KEY": str(new)}
    fill(5)
    seal(6)
    assert verify() == []
    assert verify("--public-key", f"{new}.pub") == []
    seal(7)
    assert verify() == []


def test_another_host_follows_a_new_key_once_it_has_the_key_itself(sealed_log: Path, key: Path, settings: Any) -> None:
    old = settings.SYSTEMLOG
    beside = {**old, "DIGEST_DIR": str(sealed_log.with_name("second"))}
    fill(3)
    for settings.SYSTEMLOG in (old, beside):
        seal(4)
    new = {"DIGEST_KEY": str(key.with_name("new.key"))}
    keys.create(key.with_name("new.key"))
    settings.SYSTEMLOG = {**old, **new}
    fill(4)
    seal(5)
    settings.SYSTEMLOG = beside
    with pytest.raises(CommandError, match="another key"):
        seal(6)
    for settings.SYSTEMLOG in ({**beside, **new}, {**old, **new}):
        seal(6)
        assert verify() == []


_kms: Ed25519PrivateKey


def sign(data: bytes) -> bytes:
    """Sign as a KMS does."""
    return _kms.sign(data)


def sign_wrongly(data: bytes) -> bytes:
    return bytes(64)


def fail(data: bytes) -> bytes:
    raise ConnectionError("https://user:password@kms.example.com")


def test_a_callable_signs(sealed_log: Path, key: Path, settings: Any) -> None:
    global _kms  # noqa: PLW0603
    loaded = load_pem_private_key(key.read_bytes(), None)
    assert isinstance(loaded, Ed25519PrivateKey)
    _kms = loaded
    settings.SYSTEMLOG = {
        **settings.SYSTEMLOG,
        "DIGEST_KEY": "tests.digests.test_keys.sign",
        "DIGEST_PUBLIC_KEY": f"{key}.pub",
    }
    key.unlink()
    fill(3)
    seal()
    SystemLog.objects.create(timestamp=at(3, 50), message="late")
    assert verify() == []
    seal()
    assert verify() == []
    for name in ("sign_wrongly", "fail"):
        settings.SYSTEMLOG = {**settings.SYSTEMLOG, "DIGEST_KEY": f"tests.digests.test_keys.{name}"}
        with pytest.raises(CommandError) as error:
            seal(8)
        assert "password" not in str(error.value)
        assert verify() == []


def test_before_anything_is_sealed_there_is_nothing_to_verify(sealed_log: Path) -> None:
    fill(3)
    assert "No hour is sealed" in run("verify_system_logs")


def test_without_a_key_nothing_is_sealed_or_noted(transactional_db: None, tmp_path: Path) -> None:
    fill(3)
    with pytest.raises(CommandError, match="create_digest_key"):
        seal()
    assert not sql("SELECT * FROM system_log_digest")


def test_a_directory_that_others_can_write_to_is_refused(sealed_log: Path) -> None:
    sealed_log.mkdir(mode=0o700)
    sealed_log.chmod(0o770)
    with pytest.raises(CommandError, match="chmod 700"):
        seal()
