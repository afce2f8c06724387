"""``radversary seal``: a manifest of a run's evidence, signed where there is a key, or a copy to hand over."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import say, tell_result

if TYPE_CHECKING:
    from radversary.evidence.manifest import Manifest

PASSWORD = "RADVERSARY_KEY_PASSWORD"  # noqa: S105 - the variable's name
"""Environment variable of the password of a key."""
NO = False


def seal(run: Annotated[Path | None, typer.Argument(help="A run's folder with result.json.")] = None,
         key: Annotated[Path | None, typer.Option(help="Sign with this Ed25519 key (PEM, PKCS#8); an encrypted one's "
                                                       f"password is asked for, or taken from {PASSWORD}.")] = None,
         export: Annotated[Path | None, typer.Option(help="Write and seal a copy to hand over in this new folder, with "
                                                          "pseudonyms for images, patients, sites and sources, without "
                                                          "paths, prepared images and weights; the run's own "
                                                          "seal stays as it is.")]
         = None,
         no_pictures: Annotated[bool, typer.Option("--no-pictures", help="Leave the gallery's pictures out of the "
                                                   "copy; text that is burnt into a film stays in them.")] = NO,
         new_key: Annotated[Path | None, typer.Option(help="Make a key in this file, its public half in FILE.pub, and "
                                                           "do nothing else.")] = None) -> None:
    """Write the SHA-256 of every file of a run's evidence into RUN/evidence.json, and sign it.

    radversary verify RUN says later what was changed. Units of work, locks and the salt of pseudonyms are no evidence;
    prepared images and weights are covered and may be absent when it is verified. Whoever receives a copy needs the
    public key by another way than the copy.
    """
    from radversary.core.errors import InputError

    if new_key is not None:
        make_key(new_key, others=any((run, key, export, no_pictures)))
        return
    if run is None:
        raise InputError("give the run's folder, or --new-key FILE to make a key")
    if no_pictures and export is None:
        raise InputError("--no-pictures is for a copy: give --export DIR too")
    from radversary.report.found import check_result

    check_result(run)

    from radversary.evidence.seal import seal as write_seal

    signer = None
    if key is not None:
        from radversary.evidence.signature import load_key

        signer = load_key(key, password)
    if export is not None:
        from radversary.evidence.export import export as write_copy

        for name in write_copy(run, export, pictures=not no_pictures).left_behind:
            say(f"not in the copy: {name}")
    tell(export or run, write_seal(export or run, signer))


def make_key(path: Path, *, others: bool) -> None:
    """Make a key and say where its halves lie."""
    from radversary.core.errors import InputError
    from radversary.evidence.signature import load_public_key
    from radversary.evidence.signature import new_key as write_key

    if others:
        raise InputError("--new-key makes a key and nothing else; seal with --key afterwards")
    public = write_key(path, password(new=True))
    tell_result(f"{path}: private key, keep it; {public}: public key, SHA-256 {load_public_key(public).fingerprint}")


def password(*, new: bool = False) -> str:
    """Return the password of a key: of the environment, else asked for on the terminal.

    Args:
        new: Whether a key is made; then the password is asked for twice and may be empty.

    Raises:
        InputError: There is neither.
    """
    from radversary.core.errors import InputError

    if (given := os.environ.get(PASSWORD)) is not None:
        return given
    if not sys.stdin.isatty():
        how = "; empty makes a key without one" if new else ""
        raise InputError(f"the key needs a password: set {PASSWORD}{how}, or run the command on a terminal")
    asked = "Password of the new key (empty for none)" if new else "Password of the key"
    return str(typer.prompt(asked, hide_input=True, confirmation_prompt=new, err=True, default="" if new else None,
                            show_default=False))


def tell(folder: Path, manifest: Manifest) -> None:
    """Print what was sealed, and by whom."""
    by = f"signed by {manifest.signer.fingerprint}" if manifest.signer else "not signed"
    tell_result(f"{folder}: {len(manifest.files)} files sealed at {manifest.sealed}, {by}")
    if manifest.signer is None:
        say("whoever can write the folder can seal it again; --key FILE signs, --new-key FILE makes a key")
