"""Verify a sealed folder: what was changed since, and whether the signature holds."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from radversary.evidence.files import is_plain, listing
from radversary.evidence.manifest import Manifest, SealedFile, Signer, read_manifest, signed_bytes
from radversary.execution.progress import track
from radversary.storage.checksums import sha256_file
from radversary.storage.documents import Document


class SignatureState(StrEnum):
    """What is known of a manifest's signature."""

    UNSIGNED = "unsigned"
    VALID = "valid, of the expected signer"
    UNKNOWN_SIGNER = "valid, signer not known"
    OTHER_SIGNER = "of another signer"
    INVALID = "invalid"


class Verification(Document):
    """What was found in a sealed folder.

    Attributes:
        intact: Whether nothing was changed and no signature is wrong or lacking where one was expected.
        run: The run's name, as the manifest has it; likewise the next two.
        sealed: When, in UTC.
        version: The tool's version.
        changed: Files whose bytes are others.
        missing: Files that are gone.
        added: Files that the manifest does not list.
        not_given: Prepared images and weights that are absent, as they may be.
        verified: Files whose bytes are those that were sealed.
        passed_over: Number of files that were not looked at: units of work, locks, the salt, bytecode.
        signature: What is known of the signature.
        fingerprint: Of the signer's key; None where nobody signed.
    """

    intact: bool
    run: str
    sealed: str
    version: str
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    not_given: tuple[str, ...]
    verified: int
    passed_over: int
    signature: SignatureState
    fingerprint: str | None


def verify(folder: Path, expected: Signer | None = None) -> Verification:
    """Compare a sealed folder with its manifest.

    Args:
        folder: The folder.
        expected: Who must have signed; None takes any signer, and an unsigned manifest.

    Raises:
        DataError: There is no manifest, or it is damaged.
        InputError: The folder cannot be listed, or the manifest's key is none.
        MissingPartError: It is signed and the library for signatures is absent.
    """
    manifest = read_manifest(folder)
    state = signature_state(manifest, expected)
    listed = listing(folder)
    there = set(listed.evidence)
    gone = [file for file in manifest.files if file.path not in there]
    present = [file for file in manifest.files if file.path in there]
    changed = tuple(file.path for file in track(present, "Hashing") if is_changed(folder, file))
    missing = tuple(file.path for file in gone if not file.may_be_absent)
    added = tuple(sorted(there.difference(file.path for file in manifest.files)))
    held = state in (SignatureState.VALID, SignatureState.UNKNOWN_SIGNER) or (
        state == SignatureState.UNSIGNED and expected is None)
    return Verification(
        intact=held and not (changed or missing or added), run=manifest.run, sealed=manifest.sealed,
        version=manifest.version, changed=changed, missing=missing, added=added,
        not_given=tuple(file.path for file in gone if file.may_be_absent), verified=len(present) - len(changed),
        passed_over=listed.passed_over, signature=state,
        fingerprint=manifest.signer.fingerprint if manifest.signer else None)


def is_changed(folder: Path, file: SealedFile) -> bool:
    """Return whether a file is no longer what was sealed."""
    path = folder / file.path
    return not is_plain(path) or path.stat().st_size != file.size or sha256_file(path) != file.sha256


def signature_state(manifest: Manifest, expected: Signer | None) -> SignatureState:
    """Return what is known of a manifest's signature.

    Args:
        manifest: The manifest.
        expected: Who must have signed; None where that is not known.
    """
    if manifest.signer is None or manifest.signature is None:
        return SignatureState.UNSIGNED
    from radversary.evidence.signature import is_signed

    if not is_signed(manifest.signer, manifest.signature, signed_bytes(manifest.model_dump(mode="json"))):
        return SignatureState.INVALID
    if expected is None:
        return SignatureState.UNKNOWN_SIGNER
    same = expected.fingerprint == manifest.signer.fingerprint
    return SignatureState.VALID if same else SignatureState.OTHER_SIGNER


def change_lines(found: Verification) -> Iterator[str]:
    """Yield one line a change."""
    for word in ("changed", "missing", "added"):
        yield from (f"{word}: {path}" for path in getattr(found, word))
