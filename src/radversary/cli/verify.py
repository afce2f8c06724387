"""``radversary verify``: what was changed in a sealed folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import say, tell_lines

if TYPE_CHECKING:
    from radversary.evidence.verify import Verification

FORMATS = ("text", "json")


def verify(run: Annotated[Path, typer.Argument(help="A sealed folder: it has evidence.json.")],
           public_key: Annotated[Path | None, typer.Option(help="The signer's public key (PEM), from elsewhere than "
                                                                "the folder; without it any signer will do.")] = None,
           form: Annotated[str, typer.Option("--format", help="text or json.")] = "text") -> None:
    """Compare a sealed folder with its manifest, one line a change; exit code 1 where anything is not as sealed.

    Exit code 2 says that there is no manifest, or a damaged one. Prepared images and weights may be absent.
    """
    from radversary.core.errors import UnknownNameError

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)

    from radversary.evidence.verify import verify as compare

    expected = None
    if public_key is not None:
        from radversary.evidence.signature import load_public_key

        expected = load_public_key(public_key)
    found = compare(run, expected)
    tell_lines(found.model_dump_json(indent=1) if form == "json" else in_words(found))
    if found.not_given and form == "text":
        say(f"{len(found.not_given)} prepared images and weights are not here, as they may be")
    if found.passed_over and form == "text":
        say(f"{found.passed_over} file{'s' if found.passed_over > 1 else ''} not looked at: work of audits in units/, "
            "locks, the salt of pseudonyms, Python's bytecode")
    if not found.intact:
        raise typer.Exit(1)


def in_words(found: Verification) -> str:
    """Return one line a change, the state of the signature, and what was verified."""
    from radversary.evidence.verify import change_lines

    state = "as sealed" if found.intact else "NOT as sealed"
    return "\n".join([*change_lines(found), f"signature: {signature_words(found)}",
                      f"{state}: {found.verified} files of {found.run}, sealed at {found.sealed} (the signer's clock)"])


def signature_words(found: Verification) -> str:
    """Return the state of a signature in a sentence."""
    from radversary.evidence.verify import SignatureState

    by = f"key {found.fingerprint}"
    return {
        SignatureState.UNSIGNED: "none; whoever can write the folder could have sealed it again",
        SignatureState.VALID: f"valid, by the expected {by}",
        SignatureState.UNKNOWN_SIGNER: f"valid, by {by}, which is not known; give --public-key",
        SignatureState.OTHER_SIGNER: f"valid, but by another signer than expected: {by}",
        SignatureState.INVALID: f"INVALID: the manifest is not what {by} signed"}[found.signature]
