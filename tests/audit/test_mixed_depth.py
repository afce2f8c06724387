"""Films of 8 and of 12 bits in one set: each is attacked, saved and judged on its own grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_audit import SIZE, make_inputs, make_plan

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.controls.identity import Identity
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.storing import within_levels
from radversary.auditing.identity import image_hashes
from radversary.auditing.run import run_audit
from radversary.auditing.setup import AuditInputs
from radversary.core.errors import InputError, PlanError
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.imaging.image import InputRule
from radversary.imaging.intensity import quantise
from random_parts import smooth_images, tiny_classifier

DEPTHS = torch.tensor([8, 12, 16, 8])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> AuditInputs:
    """The tiny audit's phantoms, every second one as if it had been stored at 12 bits."""
    inputs = make_inputs(tmp_path_factory.mktemp("mixed"))
    images, rng = inputs.images, np.random.default_rng(0)
    bits = np.where(np.arange(len(images)) % 2, 12, 8)
    fine = images.images[:].astype(np.uint16) * 16 + rng.integers(0, 16, images.images.shape, dtype=np.uint16)
    codes = np.where(bits[:, None, None, None] == 12, fine, images.images[:]).astype(np.uint16)
    table = ImageTable(images.table.frame.assign(bits=bits), images.table.classes)
    return replace(inputs, images=PreparedImages(Path("none"), table, codes, images.rule, (), "mixed"))


def on_grid(images: torch.Tensor, bits: torch.Tensor) -> bool:
    return quantise(images, bits).equal(images)


def test_attacked_images_lie_on_the_grid_of_their_own_film_and_inside_the_bound() -> None:
    images = quantise(smooth_images(4), DEPTHS)
    batch = Batch(images=images, labels=torch.tensor([0, 1, 2, 0]), image_ids=("a", "b", "c", "d"), bits=DEPTHS)
    (outcome,) = run_attack(PGD(epsilon=0.01), tiny_classifier(size=images.shape[-1]), batch, seed=1, step="x",
                            strengths=[0.01])
    assert on_grid(outcome.images, DEPTHS)
    assert not on_grid(outcome.images[1:2], torch.tensor([8]))
    assert float(outcome.linf.max()) <= 0.01 + 1e-6
    for place, depth in enumerate(DEPTHS.tolist()):  # the last whole grey level inside the bound, of each film's own
        top = 2**depth - 1
        assert round(float(outcome.linf[place]) * top) == int(0.01 * top)


def test_one_depth_and_a_depth_an_image_give_the_same_bytes() -> None:
    images = quantise(smooth_images(4), 12)
    saved = quantise((images + 0.013).clamp(0, 1), 12)
    assert within_levels(saved, images, 0.01, 12).equal(within_levels(saved, images, 0.01, torch.full((4,), 12)))


@pytest.mark.slow
def test_the_identity_attack_changes_no_film_of_any_depth(mixed) -> None:
    rows = mixed.images.rows("test")
    batch = Batch(images=mixed.images.tensor(rows), labels=mixed.images.labels[rows],
                  image_ids=tuple(mixed.images.image_ids[row] for row in rows), bits=mixed.images.depths(rows))
    (outcome,) = run_attack(Identity(), mixed.classifiers["victim"], batch, seed=1, step="x", strengths=[0.0])
    assert outcome.images.equal(batch.images)
    assert set(mixed.images.depths(rows).tolist()) == {8, 12}


@pytest.mark.slow
def test_a_mixed_set_is_audited_whole_and_saving_changes_nothing(mixed, tmp_path) -> None:
    run_audit(make_plan(gallery=1), mixed, tmp_path)
    made = pd.read_parquet(tmp_path / "predictions.parquet")
    columns = ["image_id", "defence", *(name for name in made if name.startswith("p_"))]
    clean, identity = (made.loc[made["attack"] == name, columns].to_numpy() for name in ("clean", "identity"))
    assert np.array_equal(clean, identity)
    assert len(clean) == 3 * len(mixed.images.rows("test"))


@pytest.mark.slow
def test_a_bound_below_a_grey_level_of_the_shallowest_film_it_meets_is_refused(mixed, tmp_path) -> None:
    weak = {"label": "fgsm", "name": "fgsm", "options": {"epsilon": 0.5 / 255}}
    with pytest.raises(PlanError, match="below the quantisation step of 8-bit images"):
        run_audit(make_plan(attacks=[weak], defences=[], gallery=0), mixed, tmp_path / "run")
    frame = mixed.images.table.frame
    deep = frame.assign(split=frame["split"].where(frame["bits"] == 12, "train"))
    only_deep = replace(mixed.images, table=ImageTable(deep, mixed.images.classes))
    run_audit(make_plan(attacks=[weak], defences=[], gallery=0), replace(mixed, images=only_deep), tmp_path / "deep")


@pytest.mark.slow
def test_finished_work_is_kept_by_each_films_own_depth(mixed) -> None:
    frame = mixed.images.table.frame
    deeper = replace(mixed.images, table=ImageTable(frame.assign(bits=[16, *frame["bits"][1:]]), mixed.images.classes))
    rows = np.arange(4)
    before, after = image_hashes(mixed.images, rows), image_hashes(deeper, rows)
    assert before[0] != after[0]
    assert before[1:] == after[1:]


@pytest.mark.parametrize("rule", [{"resize": "pad"}, {"interpolation": "area"}, {"size": SIZE // 2}])
def test_images_prepared_by_another_rule_than_a_models_are_refused(inputs, tmp_path, rule) -> None:
    images = replace(inputs.images, rule=InputRule(**{"size": SIZE, **rule}))
    with pytest.raises(InputError, match=f"prepared at {images.rule}; model .* reads {SIZE} pixels a side, stretch, "
                                         "bilinear: prepare them again"):
        run_audit(make_plan(), replace(inputs, images=images), tmp_path / "run")
    other = tiny_classifier(inputs.images.classes, SIZE, seed=5)
    other.card = other.card.model_copy(update=rule)
    models = replace(inputs, classifiers={**inputs.classifiers, "other": other})
    surrogate = {"label": "t", "name": "fgsm", "surrogate": "other", "knowledge": ["transfer"]}
    for plan in (make_plan(), make_plan(attacks=[surrogate], defences=[])):
        with pytest.raises(InputError, match="prepare them again"):
            run_audit(plan, models, tmp_path / "run")
