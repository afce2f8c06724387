from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_study import make_study

from radversary.core.errors import PlanError
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.study.models import training_set
from radversary.training.datasets import MixedTrainingSet
from random_parts import smooth_images, tiny_classifier


def images_of(bits: int, folder: Path) -> PreparedImages:
    """Twelve prepared images of some depth, as a folder of DICOM films gives them."""
    codes = (smooth_images(12) * (2**bits - 1)).round().numpy().astype(np.uint8 if bits == 8 else np.uint16)
    frame = pd.DataFrame({"image_id": [f"i{n}" for n in range(12)], "path": "x", "label": ["a", "b", "c"] * 4,
                          "patient_id": [f"p{n}" for n in range(12)], "split": ["train"] * 9 + ["test"] * 3})
    return PreparedImages(folder, ImageTable(frame), codes, bits, (), "hash")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_training_sees_the_very_pixels_that_the_audit_reads(bits, tmp_path):
    images, plan = images_of(bits, tmp_path), make_study()
    entries = training_set(plan, plan.models["victim"], images, None, tmp_path)
    seen, labels = entries.fetch(range(9))
    assert torch.equal(seen, images.tensor(entries.rows[:9]))
    assert torch.equal(labels, images.labels[entries.rows[:9]])


@pytest.mark.parametrize("bits", [8, 12])
def test_the_adversarial_mix_is_as_bright_as_the_clean_images(bits, tmp_path):
    images, plan = images_of(bits, tmp_path), make_study()
    entries = training_set(plan, plan.models["hardened"], images, tiny_classifier(), tmp_path)
    assert isinstance(entries, MixedTrainingSet)
    mixed, _ = entries.fetch(range(9))
    draws = [entries.draw(entry)[0] for entry in range(9)]
    assert any(draws)
    assert not all(draws)
    clean = images.tensor(entries.rows[:9])
    for opacity, one, other in zip(draws, mixed, clean, strict=True):
        assert torch.equal(one, other) if not opacity else 0.3 < one.mean() / other.mean() < 3


def test_adversarial_training_needs_a_victim(tmp_path):
    plan = make_study()
    with pytest.raises(PlanError, match="needs the victim first"):
        training_set(plan, plan.models["hardened"], images_of(8, tmp_path), None, tmp_path)
