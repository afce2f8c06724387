"""What is noted of a film that was judged, alone or in a batch: figures and a mark of its bytes, never the film."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radversary.storage.files import write_text

if TYPE_CHECKING:
    from radversary.screening.verdicts import Verdict


def mark_of(home: Path, film: bytes) -> str:
    """Return a mark of a film's bytes that nobody can make without the platform's salt.

    Args:
        home: The platform's home, where the salt is kept; it is made on first use.
        film: Bytes of the file.
    """
    path = home / "salt"
    if not path.is_file():
        write_text(path, secrets.token_hex(32))
    return hmac.new(path.read_bytes(), film, hashlib.sha256).hexdigest()


def described(verdict: Verdict, score: float | None) -> dict[str, Any]:
    """Return what is noted of a verdict, by column of :class:`radversary.service.store.tables.Screening`.

    Of a refused film nothing but that is noted: its group may be a text of its headers.

    Args:
        verdict: All that the guard says.
        score: The anomaly score that the p-value was made of; None where the film was refused.
    """
    if score is None:
        return {"verdict": "refused"}
    return {"verdict": verdict.verdict, "p_value": verdict.p_value, "score": score, "cue": verdict.cue[:200],
            "prediction": verdict.prediction[:200], "group": verdict.group[:80],
            "confidence": max(verdict.probabilities.values(), default=None)}
