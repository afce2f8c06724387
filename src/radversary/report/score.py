"""Scores as JSON and as words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from radversary.auditing.cell_table import defence_name
from radversary.report.cells import markdown_row, no_formulas
from radversary.scoring.advice import changes
from radversary.scoring.board import Ranked
from radversary.scoring.profile import Profile
from radversary.scoring.score import Score

LETTERLESS: Final = "no letter"
NO_CAPS: Final = "–"


def scores_json(scores: Sequence[Score], profile: Profile) -> str:
    """Return scores as a JSON document.

    Args:
        scores: The scores.
        profile: Their profile.
    """
    return json.dumps({"profile": profile.title, "digest": profile.digest, "scores": [
        {**asdict(item), "vector": item.vector, "changes": [asdict(change) for change in changes(item, profile)]}
        for item in scores]}, indent=1)


def rank_texts(found: Sequence[Ranked]) -> list[list[str]]:
    """Return ranked systems as text, the head first.

    Args:
        found: The systems, the greatest score first.
    """
    keys = [part.key for part in found[0].score.parts] if found else []
    lines = [["place", "run", "system", "score", "letter", *keys, "caps", "vector"]]
    for item in found:
        score = item.score
        lines.append([str(item.place), item.run, defence_name(score.system), f"{score.value:.1f}",
                      f"{score.letter or LETTERLESS} (E{score.level})", *(f"{part.value:.1f}" for part in score.parts),
                      "+".join(dict.fromkeys(cap.code for cap in score.caps)) or NO_CAPS, score.vector])
    return lines


def rank_markdown(found: Sequence[Ranked]) -> str:
    """Return ranked systems as a Markdown table."""
    head, *body = map(markdown_row, rank_texts(found))
    return "\n".join([head, "|" + "---|" * len(rank_texts(found)[0]), *body])


def rank_csv(found: Sequence[Ranked]) -> str:
    """Return ranked systems as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(no_formulas, rank_texts(found)))
    return text.getvalue().rstrip("\n")
