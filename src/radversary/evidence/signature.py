"""Ed25519 signatures (RFC 8032) and their keys as PEM files; needs the extra ``seal``."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from radversary.core.errors import InputError, MissingPartError
from radversary.core.text import FAULT, sentence
from radversary.evidence.manifest import Signer
from radversary.storage.files import read_bytes, write_private, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LIMIT = 2**16
"""Bytes of a key file at most."""


class SigningKey:
    """A private key.

    Args:
        key: The key.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def signer(self) -> Signer:
        """The public half, as a manifest names it."""
        return _signer(self._key.public_key())

    def sign(self, content: bytes) -> str:
        """Return the signature of some bytes, base64."""
        return base64.b64encode(self._key.sign(content)).decode("ascii")


def new_key(path: Path, password: str) -> Path:
    """Make a key: PEM, PKCS#8, readable by its owner alone; the public key goes beside it.

    Args:
        path: The file; none may be there.
        password: Encrypts it; empty leaves it unencrypted.

    Returns:
        The file of the public key, ``path`` with ``.pub`` added.

    Raises:
        InputError: There is a file already.
        MissingPartError: The library is absent.
        StorageError: Writing failed.
    """
    _need_library()
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_name(f"{path.name}.pub")
    for place in (path, public):
        if place.exists() or place.is_symlink():
            raise InputError(f"{place} exists; a key is never overwritten, give another name")
    key = Ed25519PrivateKey.generate()
    lock = forms.BestAvailableEncryption(password.encode()) if password else forms.NoEncryption()
    write_private(path, key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, lock))
    return write_text(public, _signer(key.public_key()).public_key)


def load_key(path: Path, password: Callable[[], str]) -> SigningKey:
    """Read a private key.

    Args:
        path: PEM, PKCS#8, as :func:`new_key` or ``openssl genpkey -algorithm ed25519`` writes it.
        password: Called where the key is encrypted.

    Raises:
        InputError: It cannot be read, is no Ed25519 key, or the password is wrong.
        MissingPartError: The library is absent.
    """
    _need_library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path)
    try:
        secret = password().encode() if b"ENCRYPTED" in content else None
        key = load_pem_private_key(content, secret)
    except (ValueError, TypeError) as error:
        raise InputError(f"cannot use {path} as a key: {_why(content, error)}") from error
    except _unsupported() as error:
        raise InputError(f"cannot use {path} as a key: {sentence(str(error), FAULT)}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path} is a key of another kind; an Ed25519 key is needed: radversary seal --new-key FILE")
    return SigningKey(key)


def load_public_key(path: Path) -> Signer:
    """Read a public key (PEM, SubjectPublicKeyInfo).

    Raises:
        InputError: It cannot be read, or is no Ed25519 key.
        MissingPartError: The library is absent.
    """
    _need_library()
    content = _read(path)
    if b"PRIVATE KEY" in content:
        raise InputError(f"{path} is a private key; give the public one, and keep this one to yourself")
    return _signer(_public(content, str(path)))


def is_signed(signer: Signer, signature: str, content: bytes) -> bool:
    """Return whether a signer signed some bytes and the fingerprint is the key's own.

    Args:
        signer: Whose key.
        signature: Base64.
        content: What was signed.

    Raises:
        InputError: The signer's key is no Ed25519 key.
        MissingPartError: The library is absent.
    """
    _need_library()
    from cryptography.exceptions import InvalidSignature

    key = _public(signer.public_key.encode(), "the manifest's public key")
    try:
        key.verify(base64.b64decode(signature), content)
    except InvalidSignature:
        return False
    return _signer(key).fingerprint == signer.fingerprint


def _public(content: bytes, where: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, _unsupported()) as error:
        raise InputError(f"{where} is no public key in PEM: {sentence(str(error), FAULT)}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{where} is a key of another kind; an Ed25519 key is needed")
    return key


def _signer(key: Ed25519PublicKey) -> Signer:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = PublicFormat.SubjectPublicKeyInfo
    return Signer(public_key=key.public_bytes(Encoding.PEM, form).decode("ascii"),
                  fingerprint=sha256(key.public_bytes(Encoding.DER, form)).hexdigest())


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, limit=LIMIT)
    except OSError as error:
        raise InputError(f"cannot read the key {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path} is no key: {error}") from error


def _why(content: bytes, error: Exception) -> str:
    if b"ENCRYPTED" in content:
        return "the password is wrong, or the file is damaged"
    if b"PRIVATE KEY" not in content:
        return "it is no private key in PEM (PKCS#8); radversary seal --new-key FILE makes one"
    return f"it is damaged ({sentence(str(error), FAULT)})"


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm


def _need_library() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingPartError("signatures need the library cryptography: pip install 'radversary[seal]'") from error
