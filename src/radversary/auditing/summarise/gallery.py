"""The gallery: a few images with attacked and defended versions, predictions and detector evidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radversary.auditing.cells import Condition
from radversary.auditing.measure import attacked_batches
from radversary.auditing.result import GalleryImage
from radversary.auditing.setup import AuditContext
from radversary.auditing.summarise.predictions import at
from radversary.auditing.tables import FINDING, STATES, StoredTable, judged, unit_for
from radversary.auditing.units import work_units
from radversary.core.text import marked_file_name
from radversary.core.types import Images
from radversary.data.findings import NO_FINDING
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.detectors.evidence import draw_evidence
from radversary.execution.progress import track
from radversary.imaging.png import encode_png
from radversary.storage.files import write_whole

FOLDER = Path("figures") / "gallery"


def render_gallery(context: AuditContext, rows: np.ndarray, table: StoredTable,
                   out: Path) -> tuple[GalleryImage, ...]:
    """Draw the gallery of a run.

    Classes take turns; each shows a correctly predicted image on which the strongest attack gives the wrong class its
    highest probability.

    Args:
        context: What was run.
        rows: The test rows.
        table: The predictions.
        out: The run folder.

    Returns:
        The gallery images; none where the plan asks for none.
    """
    attacks = list(context.attacks)
    chosen = [(attacks[index % len(attacks)], index // len(attacks)) for index in range(context.plan.gallery)]
    gallery, units = [], work_units(context, rows) if chosen else ()
    for label, rank in track(chosen, "Drawing the gallery"):
        strength = max(context.attacks[label].strengths)
        condition = next(item for item in context.conditions if (item.attack, item.strength) == (label, strength))
        predictions = pd.concat([table.at(Condition(attack="clean", strength=0.0)), table.at(condition)])
        row = pick(context.images, predictions, condition, rank)
        attacked = attacked_batches(context, unit_for(units, condition, "none"), np.array([row]), [strength])
        gallery.append(render_image(context, row, condition, next(attacked).images, predictions, out))
    return tuple(gallery)


def pick(images: PreparedImages, predictions: pd.DataFrame, condition: Condition, rank: int) -> int:
    """Return the row of the ``rank``-th gallery image: classes in turn; right when clean, most surely wrong now."""
    name = images.classes[rank % len(images.classes)]
    alone, score = readings_of_class(predictions[predictions["defence"] == "none"], name)
    clean = judged(at(alone, Condition(attack="clean", strength=0.0)))
    right = set(clean.loc[clean["right"], "image_id"])
    attacked = at(alone, condition).assign(missed_before=lambda frame: ~frame["image_id"].isin(right))
    order = attacked.sort_values(["missed_before", score, "image_id"])["image_id"].tolist()
    order = order or at(predictions, condition)["image_id"].tolist()
    return images.image_ids.index(order[rank // len(images.classes) % len(order)])


def readings_of_class(predictions: pd.DataFrame, name: str) -> tuple[pd.DataFrame, str]:
    """Return the predictions of images of a class, or with a finding, and the column of its probability."""
    if FINDING not in predictions:
        return predictions[predictions["label"] == name], f"p_{name}"
    return predictions[(predictions[FINDING] == name) & (predictions["label"] == STATES[1])], "score"


def render_image(context: AuditContext, row: int, condition: Condition, attacked: Images, predictions: pd.DataFrame,
         out: Path) -> GalleryImage:
    """Draw one gallery image, a prepared image and what an attack made of it, into the run folder."""
    name, original = context.images.image_ids[row], context.images.tensor([row])
    full = f"{name}/{condition.attack}/{condition.strength}"
    stem = marked_file_name(full)
    difference = ((attacked - original) / 2 + 0.5).clamp(0, 1)
    restored = {label: save(defended.transform(attacked), out, marked_file_name(f"{full}/{label}"))
                for label, defended in context.defended_classifiers.items() if isinstance(defended, Defended)}
    evidence = FOLDER / f"{stem}-evidence.png"
    draw_evidence(original[0], attacked[0], out / evidence)
    return GalleryImage(
        image_id=name, label=str(context.images.table.frame["label"].iloc[row]), condition=condition,
        original=save(original, out, f"{stem}-original"), attacked=save(attacked, out, f"{stem}-attacked"),
        difference=save(difference, out, f"{stem}-difference"), evidence=str(evidence),
        defended=next(iter(restored.values()), None), restored=restored,
        predictions=readings(predictions[predictions["image_id"] == name], condition),
        wrong=wrong_findings(predictions[predictions["image_id"] == name], condition))


def save(images: Images, out: Path, stem: str) -> str:
    """Save one image as an 8-bit PNG and return its path inside the run folder."""
    path = FOLDER / f"{stem}.png"
    write_whole(out / path, lambda part: part.write_bytes(encode_png(images[0])))
    return str(path)


def readings(frame: pd.DataFrame, condition: Condition) -> dict[str, str]:
    """Return the predicted classes of one image: clean, attacked, and with each defence."""
    attacked, clean = (said(at(frame, what)) for what in (condition, Condition(attack="clean", strength=0.0)))
    return {"clean": str(clean["none"]), "attacked": str(attacked["none"]),
            **{str(label): str(value) for label, value in attacked.items() if label != "none"}}


def wrong_findings(frame: pd.DataFrame, condition: Condition) -> dict[str, tuple[str, ...]]:
    """Return the findings of one image that were read wrongly, by the keys of :func:`readings`; none of a class."""
    if FINDING not in frame:
        return {}
    attacked, clean = (at(frame, what) for what in (condition, Condition(attack="clean", strength=0.0)))
    own = {"clean": clean[clean["defence"] == "none"], **{
        "attacked" if label == "none" else str(label): rows for label, rows in attacked.groupby("defence", sort=False)}}
    return {key: tuple(rows.loc[~rows["right"], FINDING]) for key, rows in ((key, judged(own[key])) for key in own)}


def said(frame: pd.DataFrame) -> pd.Series[str]:
    """Return what each defence reads of one image: a class, or the findings that are there."""
    if FINDING not in frame:
        alone: pd.Series[str] = frame.set_index("defence")["predicted"]
        return alone
    there: pd.Series[str] = frame[frame["predicted"] == STATES[1]].groupby("defence")[FINDING].agg(", ".join)
    every: pd.Series[str] = there.reindex(frame["defence"].unique(), fill_value=NO_FINDING)
    return every
