"""What lies beside a model, or in its file, may be anything: it is passed over, and no address shows its secrets."""

from __future__ import annotations

import json

import pytest

from radversary.classifiers.facts import beside_facts, names_in
from radversary.classifiers.http_wire import model_name
from radversary.classifiers.monai_inputs import _scale


def test_single_figures_beside_a_model_are_figures(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(
        {"do_normalize": True, "image_mean": 0.5, "image_std": [0.25]}))
    found = beside_facts(str(tmp_path / "m.onnx"))
    assert (found["mean"], found["std"]) == ([0.5], [0.25])


def test_an_address_has_nothing_beside_it():
    assert beside_facts(f"https://example.org/{'a' * 300}/v2/models/lungs") == {}


@pytest.mark.parametrize("text", ["{[1]: 'a'}", "{1: ", "[" * 5000])
def test_words_that_are_no_names_give_none(text):
    assert names_in(text) == []


def test_the_name_of_a_served_model_holds_no_query():
    assert model_name("https://example.org/v2/models/lungs/versions/2?key=secret") == "lungs"
    assert model_name("https://example.org/predict?to=/v2/models/lungs") == ""


def test_a_scaling_to_words_is_none_that_a_card_expresses():
    assert not _scale(None, {"a_min": 0, "a_max": 255, "b_min": "0", "b_max": "1"})
