"""What changes a measurement is measured anew in the same run folder; what was cached before is not taken for it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from tiny_audit import SIZE, make_inputs, make_plan, with_models

from radversary.auditing.run import run_audit
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.types import Task
from random_parts import tiny_classifier

pytestmark = pytest.mark.slow

PGD = {"label": "pgd", "name": "pgd", "options": {"epsilon": 8 / 255, "steps": 2}}
PLAN = make_plan(attacks=[PGD], limit=6, defences=[{"label": "other", "model": "other"}], gallery=0)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("data"))


def predictions(inputs, out) -> pd.DataFrame:
    run_audit(PLAN, inputs, out)
    return pd.read_parquet(out / "predictions.parquet")


def binary(inputs, **card):
    """The data with two classes, and two models of them whose files of weights are the same as ever."""
    frame = inputs.images.table.frame
    table = replace(inputs.images.table, frame=frame.assign(label=frame["label"].where(frame["label"] == "Normal",
                                                                                         "Sick")),
                    classes=("Normal", "Sick"))
    models = {}
    for place, name in enumerate(("victim", "other")):
        tiny = tiny_classifier(("Normal", "Sick"), SIZE, seed=place)
        models[name] = TorchClassifier(tiny.module, tiny.card.model_copy(update={
            "task": Task.BINARY, "sha256": f"{place}" * 64, **card}))
    return replace(inputs, images=replace(inputs.images, table=table), classifiers=models)


@pytest.mark.parametrize("card", [{"thresholds": (0.2,)}, {"input_range": (0.0, 255.0)}],
                         ids=lambda card: next(iter(card)))
def test_another_card_beside_the_same_weights_is_another_model(inputs, card, tmp_path):
    changed = binary(inputs, **card)
    predictions(binary(inputs), tmp_path / "run")
    pd.testing.assert_frame_equal(predictions(changed, tmp_path / "run"), predictions(changed, tmp_path / "fresh"),
                                  check_exact=True)


def test_readings_that_stand_for_labels_are_those_of_the_model_that_reads_now(inputs, tmp_path):
    table = replace(inputs.images.table, frame=inputs.images.table.frame.assign(label=""))
    first = replace(inputs, images=replace(inputs.images, table=table))
    second = with_models(first, victim=tiny_classifier(inputs.images.classes, SIZE, seed=7))
    predictions(first, tmp_path / "run")
    pd.testing.assert_frame_equal(predictions(second, tmp_path / "run"), predictions(second, tmp_path / "fresh"),
                                  check_exact=True)
