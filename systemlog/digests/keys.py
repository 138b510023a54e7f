"""The key that signs digests: an Ed25519 key in a file, or a callable that signs elsewhere, for example in a KMS.

The private key does not leave this module. No message, digest or record has any part of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from systemlog.conf import conf
from systemlog.exceptions import SystemLogError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_SUFFIX = ".pub"


class KeyUnusable(SystemLogError):
    """The key cannot be used. The text says why and what to do, and never shows the key."""


class PublicKey:
    """A public key. It verifies signatures."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        try:
            self._key: Ed25519PublicKey = _ed25519().Ed25519PublicKey.from_public_bytes(raw)
        except ValueError:
            raise KeyUnusable("This is no public key of Ed25519.") from None

    @property
    def id(self) -> str:
        """The id of the key in digests: the first 16 hexadecimal digits of its SHA-256."""
        return sha256(self.raw).hexdigest()[:16]

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is the signature of `data` by the matching private key."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Signer:
    """Signs with the key of the setting `DIGEST_KEY`."""

    def __init__(self, public: PublicKey, sign: Callable[[bytes], bytes], *, own: bool) -> None:
        self.public = public
        self._sign = sign
        self._own = own

    def sign(self, data: bytes) -> bytes:
        """Return the signature of the bytes. Raises `KeyUnusable` if a callable fails or its signature is invalid."""
        try:
            signature = bytes(self._sign(data))
        except Exception as error:  # noqa: BLE001  (a KMS's driver may raise anything)
            # The exception of a KMS's driver may quote its configuration, so its text is not shown.
            raise KeyUnusable(f"The callable of DIGEST_KEY raised {type(error).__name__}.") from None
        if not self._own and not self.public.verifies(data, signature):
            raise KeyUnusable("The callable of DIGEST_KEY returned a signature that DIGEST_PUBLIC_KEY does not verify.")
        return signature


_loaded: tuple[object, Signer] | None = None
"""The signer that was made last, after what it was made from."""


def signer() -> Signer:
    """Return the signer of the setting `DIGEST_KEY`. Raises `KeyUnusable`."""
    global _loaded  # noqa: PLW0603  (a file is read again only when it has changed)
    name = conf().DIGEST_KEY
    if not name:
        raise KeyUnusable("There is no key: set SYSTEMLOG['DIGEST_KEY'] to a file from `manage.py create_digest_key`.")
    if is_callable_name(name):
        made_from: object = name, conf().DIGEST_PUBLIC_KEY
        if _loaded is None or _loaded[0] != made_from:
            _loaded = made_from, _remote(name)
        return _loaded[1]
    path = Path(name)
    try:
        status = path.stat()
    except OSError as error:
        raise KeyUnusable(f"The key file {path} cannot be read: {error.strerror}.") from None
    made_from = name, status.st_ino, status.st_mtime_ns, status.st_mode, status.st_uid
    if _loaded is None or _loaded[0] != made_from:
        _loaded = made_from, _local(path)
    return _loaded[1]


def is_callable_name(name: str) -> bool:
    """Whether `DIGEST_KEY` is the dotted path of a callable, and not the path of a file."""
    return (
        "/" not in name
        and "." in name
        and all(part.isidentifier() for part in name.split("."))
        and not Path(name).exists()
    )


def public_key() -> PublicKey:
    """Return the public key of this installation: the one in `DIGEST_PUBLIC_KEY`, else that of `DIGEST_KEY`."""
    if conf().DIGEST_PUBLIC_KEY:
        return read_public_key(Path(conf().DIGEST_PUBLIC_KEY))
    return signer().public


def read_public_key(path: Path) -> PublicKey:
    """Return the public key in a file. Raises `KeyUnusable`."""
    serialization = _serialization()
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise KeyUnusable(f"The public key {path} cannot be read: {error.strerror}.") from None
    except Exception:  # noqa: BLE001  (the library raises several, and their texts may quote the file)
        raise KeyUnusable(f"{path} is no public key: name the .pub file from `manage.py create_digest_key`.") from None
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise KeyUnusable(f"{path} is no public key of Ed25519.")
    return PublicKey(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def create(path: Path) -> PublicKey:
    """Make a key, and return its public key.

    The private key is written to `path`, readable by its owner alone, and the public key to `path`.pub. Raises
    `KeyUnusable` if one of the files exists or cannot be written.
    """
    serialization = _serialization()
    key: Ed25519PrivateKey = _ed25519().Ed25519PrivateKey.generate()
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    private_text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_text = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if public.exists() or public.is_symlink():
        raise KeyUnusable(f"{public} exists, and no key is overwritten. Name another file.")
    _write_new(path, private_text, 0o600)
    _write_new(public, public_text, 0o644)
    return PublicKey(key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


@sensitive_variables()
def _local(path: Path) -> Signer:
    serialization = _serialization()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            # The status is that of the open file, so that nobody can exchange the file in between.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyUnusable(f"The key file {path} is no regular file.")
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyUnusable(
                    f"Users other than its owner can use the key file {path}: chmod 600 it, and consider a new key."
                )
            if status.st_uid not in (os.geteuid(), 0):
                raise KeyUnusable(f"The key file {path} belongs to another user than this process.")
            text = file.read()
    except OSError as error:
        raise KeyUnusable(f"The key file {path} cannot be read: {error.strerror}.") from None
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except Exception:  # noqa: BLE001  (the library raises several, and their texts may quote the file)
        raise KeyUnusable(f"{path} is no private key: make one with `manage.py create_digest_key`.") from None
    if not isinstance(key, _ed25519().Ed25519PrivateKey):
        raise KeyUnusable(f"{path} is no private key of Ed25519: make one with `manage.py create_digest_key`.")
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Signer(PublicKey(raw), key.sign, own=True)


def _remote(name: str) -> Signer:
    try:
        sign = import_string(name)
    except ImportError:
        raise KeyUnusable(f"DIGEST_KEY names {name!r}, which cannot be imported.") from None
    if not callable(sign):
        raise KeyUnusable(f"DIGEST_KEY names {name!r}, which is no callable.")
    if not conf().DIGEST_PUBLIC_KEY:
        raise KeyUnusable("DIGEST_KEY is a callable: set DIGEST_PUBLIC_KEY to the file of its public key.")
    return Signer(read_public_key(Path(conf().DIGEST_PUBLIC_KEY)), sign, own=False)


def _write_new(path: Path, text: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise KeyUnusable(f"{path} exists, and no key is overwritten. Name another file.") from None
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _ed25519() -> Any:
    return _library("cryptography.hazmat.primitives.asymmetric.ed25519")


def _serialization() -> Any:
    return _library("cryptography.hazmat.primitives.serialization")


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise KeyUnusable(
            "Digests need the package cryptography: pip install 'django-ops-platform[digests]'."
        ) from None
