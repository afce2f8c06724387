from __future__ import annotations

from radversary.study.model_plan import AdversarialPlan, ModelPlan
from radversary.study.restorer_plan import RestorerPlan
from radversary.study.trainable import RESTORERS, TRAININGS, trainable
from radversary.training.data.augmentation import AUGMENTATIONS


def test_every_key_is_one_of_a_plan():
    for key in TRAININGS:
        model, _, inner = key.partition(".")
        assert model in ModelPlan.model_fields
        assert not inner or inner in AdversarialPlan.model_fields
    assert set(RESTORERS) == set(RestorerPlan.model_fields) - {"attacks", "model"}


def test_no_training_of_a_plan_is_missing():
    assert {key.partition(".")[0] for key in TRAININGS} == set(ModelPlan.model_fields) - {"training", "augmentation"}
    assert {f"models.augmentation: {name}" for name in AUGMENTATIONS.names()} <= set(trainable())
    assert all(text.endswith((".", ")")) and len(text) < 120 for text in trainable().values())
