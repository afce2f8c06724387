"""The gallery of a guard's mistakes: missed attacks and false alarms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from radversary.auditing.cells import Condition
from radversary.core.text import marked_file_name
from radversary.core.types import Images
from radversary.execution.progress import track
from radversary.guard_evaluation.figures import Judge
from radversary.guard_evaluation.measure import SCORE, attacked_batches, filed
from radversary.guard_evaluation.rows import GuardGalleryImage
from radversary.guard_evaluation.setup import CLEAN, GuardEvaluationContext
from radversary.imaging.png import encode_png
from radversary.screening.heat import heat_maps, overlay
from radversary.screening.verdicts import CUES
from radversary.storage.files import write_whole

FOLDER = Path("figures") / "guard-evaluation"


def render_mistakes(context: GuardEvaluationContext, frame: pd.DataFrame, out: Path) -> tuple[GuardGalleryImage, ...]:
    """Draw the gallery: missed attacks, then false alarms, as many of each as the plan asks for.

    Attacks take turns; each shows the images that evaded detection by the widest margin at its greatest strength,
    misclassified ones first. False alarms are those on re-encoded clean images, the most suspicious first.
    """
    judge = Judge.of(context, frame)
    missed = [row for turn in zip_longest(*_missed(judge, frame)) for row in turn if row is not None]
    alarmed = judge.clean[judge.clean["alarm"]].sort_values(["anomaly_score", "image_id"], ascending=[False, True])
    chosen = [*missed[:context.plan.gallery], *(row for _, row in alarmed.head(context.plan.gallery).iterrows())]
    before = judge.clean.set_index("image_id")["predicted"]
    return tuple(render_mistake(context, row, str(before[row["image_id"]]), out)
                 for row in track(chosen, "Drawing the gallery"))


def _missed(judge: Judge, frame: pd.DataFrame) -> Iterator[list[pd.Series]]:
    """Yield each attack's missed images, each once, those that evaded detection most easily first."""
    attacked = frame[(frame["kind"] == "attack") & ~frame["alarm"]]
    harmed = judge.flipped(attacked) & (attacked["predicted"] != attacked["label"]).to_numpy()
    attacked = attacked.assign(_unharmed=~harmed)
    for _, own in attacked.groupby("attack", sort=False):
        order = own.sort_values(["_unharmed", "strength", "anomaly_score", "image_id"],
                                ascending=[True, False, True, True])
        yield [row for _, row in order.drop_duplicates("image_id").iterrows()]


def render_mistake(context: GuardEvaluationContext, row: pd.Series, said: str, out: Path) -> GuardGalleryImage:
    """Draw one mistake into the folder.

    Args:
        context: What was run.
        row: What the guard said of the image.
        said: What was read in it when clean.
        out: The folder.
    """
    condition = (Condition(attack=CLEAN, strength=0.0) if row["kind"] == CLEAN
                 else context.condition(row["attack"], row["strength"]))
    place = np.array([row["row"]])
    strengths = (condition.strength,) if row["kind"] != CLEAN else None
    seen = filed(next(attacked_batches(context, row["attack"], place, strengths)).reencoded)[0]
    stem = marked_file_name(f"{row['image_id']}/{condition.attack}/{condition.strength}")
    heat = heat_maps(context.guard, seen)
    over = None if heat is None else overlay(seen, heat)[..., seen.shape[-1]:]  # it lies beside the film itself
    return GuardGalleryImage(
        missed=row["kind"] != CLEAN, image_id=row["image_id"], label=row["label"], condition=condition, said=said,
        p_value=float(row["p_value"]), cue=cue(context, row), said_now=row["predicted"],
        original=_save(context.images.tensor(place), out, f"{marked_file_name(row['image_id'])}-original"),
        shown=_save(seen, out, f"{stem}-shown"), heat=None if over is None else _save(over, out, f"{stem}-heat"))


def cue(context: GuardEvaluationContext, row: pd.Series) -> str:
    """Return the detector that suspected an image most, and what that means."""
    names = list(context.guard.detectors)
    scores = np.array([[float(row[SCORE + name]) for name in names]])
    own = context.guard.calibrated().detector_p_values(scores, context.groups_of([int(row["row"])]))[0]
    strongest = names[int(own.argmin())]
    return f"{strongest} (p = {own.min():.2g}): {CUES.get(strongest, 'unlike clean films')}"


def _save(images: Images, out: Path, stem: str) -> str:
    path = FOLDER / f"{stem}.png"
    write_whole(out / path, lambda part: part.write_bytes(encode_png(images[0])))
    return str(path)
