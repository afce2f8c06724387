"""The gallery: a few images as the classifier, the defence and the detector saw them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from radversary.audit.measure import attacked_batches
from radversary.audit.result import Condition, Exhibit
from radversary.audit.setup import Bench
from radversary.audit.summarise.predictions import at
from radversary.audit.tables import reading_unit
from radversary.audit.units import work_units
from radversary.core.types import Images
from radversary.data.prepared import PreparedImages
from radversary.defenses.defended import Defended
from radversary.detectors.evidence import draw_evidence
from radversary.execution.progress import track
from radversary.imaging.png import encode_png
from radversary.storage.files import write_whole

FOLDER = Path("figures") / "exhibits"


def hang_exhibits(bench: Bench, rows: np.ndarray, predictions: pd.DataFrame, out: Path) -> tuple[Exhibit, ...]:
    """Draw the gallery of a run.

    Classes take turns; each shows the image that was read rightly and whose reading the strongest attack changed most
    surely: a gallery of what the attack can do, while the tables count how often.

    Args:
        bench: What was run.
        rows: The test rows.
        predictions: The table of predictions.
        out: The run folder.

    Returns:
        The exhibits, none where the plan asks for none.
    """
    attacks = list(bench.trials)
    chosen = [(attacks[index % len(attacks)], index // len(attacks)) for index in range(bench.plan.exhibits)]
    exhibits, units = [], work_units(bench, rows) if chosen else ()
    for label, rank in track(chosen, "Drawing the gallery"):
        strength = max(bench.trials[label].strengths)
        condition = next(item for item in bench.conditions if (item.attack, item.strength) == (label, strength))
        row = pick(bench.images, predictions, condition, rank)
        attacked = attacked_batches(bench, reading_unit(units, condition, "none"), np.array([row]), [strength])
        exhibits.append(hang(bench, row, condition, next(attacked).images, predictions, out))
    return tuple(exhibits)


def pick(images: PreparedImages, predictions: pd.DataFrame, condition: Condition, rank: int) -> int:
    """Return the row of the ``rank``-th exhibit: classes in turn; read rightly when clean, most surely wrong now."""
    name = images.classes[rank % len(images.classes)]
    alone = predictions[(predictions["defence"] == "none") & (predictions["label"] == name)]
    clean = at(alone, Condition(attack="clean", strength=0.0))
    right = set(clean.loc[clean["predicted"] == name, "image_id"])
    attacked = at(alone, condition).assign(missed_before=lambda frame: ~frame["image_id"].isin(right))
    order = attacked.sort_values(["missed_before", f"p_{name}", "image_id"])["image_id"].tolist()
    order = order or at(predictions, condition)["image_id"].tolist()
    return images.image_ids.index(order[rank // len(images.classes) % len(order)])


def hang(bench: Bench, row: int, condition: Condition, attacked: Images, predictions: pd.DataFrame,
         out: Path) -> Exhibit:
    """Draw one exhibit, a prepared image and what an attack made of it, into the run folder."""
    name, original = bench.images.image_ids[row], bench.images.tensor([row])
    stem = plain(f"{name}-{condition.attack}-{condition.strength:g}")
    difference = ((attacked - original) / 2 + 0.5).clamp(0, 1)
    restored = {label: save(reader.transform(attacked), out, f"{stem}-{plain(label)}")
                for label, reader in bench.readers.items() if isinstance(reader, Defended)}
    evidence = FOLDER / f"{stem}-evidence.png"
    draw_evidence(original[0], attacked[0], out / evidence)
    return Exhibit(
        image_id=name, label=bench.images.classes[int(bench.images.labels[row])], condition=condition,
        original=save(original, out, f"{stem}-original"), attacked=save(attacked, out, f"{stem}-attacked"),
        difference=save(difference, out, f"{stem}-difference"), evidence=str(evidence),
        defended=next(iter(restored.values()), None), restored=restored,
        predictions=readings(predictions[predictions["image_id"] == name], condition))


def plain(text: str) -> str:
    """Return text as part of a file's name."""
    return text.replace("/", "_").replace(" ", "_")


def save(images: Images, out: Path, stem: str) -> str:
    """Save one image as an 8-bit PNG and return its path inside the run folder."""
    path = FOLDER / f"{stem}.png"
    write_whole(out / path, lambda part: part.write_bytes(encode_png(images[0])))
    return str(path)


def readings(frame: pd.DataFrame, condition: Condition) -> dict[str, str]:
    """Return what each reading of one image says."""
    attacked = at(frame, condition).set_index("defence")["predicted"]
    clean = at(frame, Condition(attack="clean", strength=0.0)).set_index("defence")["predicted"]
    return {"clean": str(clean["none"]), "attacked": str(attacked["none"]),
            **{str(label): str(value) for label, value in attacked.items() if label != "none"}}
