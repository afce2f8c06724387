"""The manifest of a sealed run folder: ``evidence.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from radversary.evidence.files import MANIFEST
from radversary.storage.documents import Document, Sha256, read_document
from radversary.storage.json_files import write_json

LIMIT = 64 * 2**20
"""Bytes of a manifest at most."""

Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
"""64 bytes as base64: an Ed25519 signature."""
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
"""A moment in UTC, such as ``2026-03-01T12:00:00Z``."""


class SealedFile(Document):
    """A file as it was when the folder was sealed.

    Attributes:
        path: Relative to the folder, with ``/``.
        sha256: SHA-256 of its bytes.
        size: Its bytes.
        may_be_absent: Whether an auditor may lack it: prepared images and weights.
    """

    path: str
    sha256: Sha256
    size: int = Field(ge=0, lt=2**53)
    may_be_absent: bool


class Model(Document):
    """A model or restorer that was audited.

    Attributes:
        name: Its name in the plan.
        sha256: Hash of its weights, as the result's provenance has it.
    """

    name: str
    sha256: str


class Signer(Document):
    """Who signed.

    Attributes:
        algorithm: The signature's.
        public_key: PEM (SubjectPublicKeyInfo).
        fingerprint: SHA-256 of the public key's DER.
    """

    algorithm: Literal["Ed25519"] = "Ed25519"
    public_key: str
    fingerprint: Sha256


class Manifest(Document):
    """What a sealed run folder holds, and who says so.

    Attributes:
        schema_version: The schema that it follows.
        tool: What wrote it.
        version: Its version.
        sealed: When, in UTC, by the clock of the machine.
        run: The run's name.
        pseudonymised: Whether the folder is a copy whose image and patient ids are pseudonyms.
        test_set_sha256: Hash of the held-out test set.
        models: What was audited.
        files: Every file that is evidence, sorted by path.
        signer: Who signed; None where nobody did.
        signature: Of :func:`signed_bytes`, base64; None where nobody signed.
    """

    schema_version: Literal[1] = 1
    tool: Literal["radversary"] = "radversary"
    version: str
    sealed: Moment
    run: str
    pseudonymised: bool = False
    test_set_sha256: str
    models: tuple[Model, ...]
    files: tuple[SealedFile, ...]
    signer: Signer | None = None
    signature: Base64 | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.signer is None) != (self.signature is None):
            raise ValueError("it has a signer without a signature, or a signature without a signer")
        if len({file.path for file in self.files}) < len(self.files):
            raise ValueError("it lists a file twice")
        return self


def signed_bytes(content: dict[str, Any]) -> bytes:
    r"""Return what a signature covers: the manifest without ``signature``, as canonical JSON (RFC 8785).

    Keys are sorted, nothing stands between tokens, and the text is UTF-8. A manifest has ASCII keys and no fractional
    numbers, so that Python's encoder writes what the standard says.

    Args:
        content: A manifest as plain values.

    Example:
        >>> signed_bytes({"run": "é", "files": [], "signature": "…"})
        b'{"files":[],"run":"\xc3\xa9"}'
    """
    unsigned = {name: value for name, value in content.items() if name != "signature"}
    return json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write the manifest of a folder, whole or not at all.

    Raises:
        StorageError: Writing failed.
    """
    return write_json(folder / MANIFEST, manifest.model_dump(mode="json"))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a sealed folder.

    Raises:
        DataError: It is absent, damaged, or of another version.
    """
    return read_document(folder / MANIFEST, Manifest, what="a manifest of evidence", limit=LIMIT,
                         remedy="seal the run with: radversary seal RUN")
