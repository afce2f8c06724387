"""Seal a run folder: hash every file that is evidence, and sign the list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from radversary import __version__
from radversary.auditing.result import AuditResult
from radversary.evidence.files import evidence_files, may_be_absent, refuse_unsealable
from radversary.evidence.manifest import Manifest, Model, SealedFile, signed_bytes, write_manifest
from radversary.execution.progress import track
from radversary.report.html import TABLES, load_result
from radversary.report.naming import PSEUDONYMISED
from radversary.storage.checksums import sha256_file
from radversary.storage.locks import locked

if TYPE_CHECKING:
    from radversary.evidence.signature import SigningKey

HASH: Final = " sha256"
"""End of a key of the provenance that holds a hash."""

NO_MODELS: Final = frozenset({"plan", "images", *TABLES})
"""What else the provenance holds hashes of."""


def seal(folder: Path, key: SigningKey | None = None, *, at: datetime | None = None) -> Manifest:
    """Write ``evidence.json`` of a run folder; an earlier one is replaced.

    Args:
        folder: A run folder with ``result.json``.
        key: Signs; None leaves the manifest unsigned.
        at: The moment that the manifest names; now where None.

    Returns:
        The manifest.

    Raises:
        InputError: There is no result, tables were changed since it was made, or a file cannot be sealed.
        BusyError: Another process writes the folder.
        StorageError: Writing failed.
    """
    result = load_result(folder)
    with locked(folder):
        names = list(evidence_files(folder))
        for name in names:
            refuse_unsealable(folder, name)
        files = tuple(sealed_file(folder, name) for name in track(names, "Hashing"))
        moment = (at or datetime.now(UTC)).astimezone(UTC)
        manifest = Manifest(
            version=__version__, sealed=moment.strftime("%Y-%m-%dT%H:%M:%SZ"), run=result.name,
            pseudonymised=PSEUDONYMISED in result.provenance, test_set_sha256=result.data.sha256,
            models=tuple(audited(result)), files=files)
        if key is not None:
            manifest = signed(manifest, key)
        write_manifest(folder, manifest)
    return manifest


def signed(manifest: Manifest, key: SigningKey) -> Manifest:
    """Return a manifest with its signature."""
    content = {**manifest.model_dump(mode="json"), "signer": key.signer.model_dump(mode="json")}
    return manifest.model_copy(update={"signer": key.signer, "signature": key.sign(signed_bytes(content))})


def sealed_file(folder: Path, name: str) -> SealedFile:
    """Return a file's entry in the manifest."""
    path = folder / name
    return SealedFile(path=name, sha256=sha256_file(path), size=path.stat().st_size, may_be_absent=may_be_absent(name))


def audited(result: AuditResult) -> Iterator[Model]:
    """Yield the models that a result's provenance holds hashes of."""
    for name, value in sorted(result.provenance.items()):
        if name.endswith(HASH) and (model := name.removesuffix(HASH)) not in NO_MODELS:
            yield Model(name=model, sha256=value)
