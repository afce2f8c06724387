"""Scores as JSON and as words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from radversary.scoring.advice import changes
from radversary.scoring.profile import Profile
from radversary.scoring.score import Score

LETTERLESS: Final = "no letter"


def scores_json(scores: Sequence[Score], profile: Profile) -> str:
    """Return scores as a JSON document.

    Args:
        scores: The scores.
        profile: Their profile.
    """
    return json.dumps({"profile": profile.title, "digest": profile.digest, "scores": [
        {**asdict(item), "vector": item.vector, "changes": [asdict(change) for change in changes(item, profile)]}
        for item in scores]}, indent=1)
