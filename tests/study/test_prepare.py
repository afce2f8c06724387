from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_study import make_study, training

import radversary.study.prepare as prepare_file
from radversary.classifiers.files import load_classifier
from radversary.core.errors import DataError, InputError, ModelError, PlanError
from radversary.data.checks import DataReport
from radversary.data.phantoms import Phantoms, write_phantoms
from radversary.data.reading import read_image
from radversary.data.table import PARTS, ImageTable
from radversary.imaging.image import InputRule, to_model_input
from radversary.screening.films import of_run, read_films
from radversary.study.models import make_model
from radversary.study.plan import DataPlan
from radversary.study.prepare import in_order, prepare, refuse_untrainable, source_text

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_phantoms(Phantoms(count=30, size=32), folder)
    return folder


def plan_of(films: Path, table: Path, parts: list[str] | None = None, **changes: str) -> DataPlan:
    """A plan on the films, their table written with a column ``split`` where there are parts."""
    frame = pd.read_csv(films / "labels.csv", dtype=str, keep_default_na=False)
    (frame if parts is None else frame.assign(split=parts)).to_csv(table, index=False)
    options = {"path": str(table), "root": str(films)}
    return DataPlan.model_validate({"source": {"name": "csv", "options": options}, "size": 32, **changes})


def test_a_model_may_write_its_classes_in_another_form_of_unicode() -> None:
    table = ImageTable(pd.DataFrame({"image_id": ["a", "b"], "path": ["a", "b"], "label": ["Entzündung", "Normal"]}))
    model = ("Normal", unicodedata.normalize("NFD", "Entzündung"))
    ordered = in_order(table, model)
    assert (ordered.classes, ordered.frame["label"].tolist()) == (model, [model[1], "Normal"])
    assert ordered.labels.tolist() == [1, 0]
    with pytest.raises(ModelError, match="the model knows 2 classes"):
        in_order(table, ("Normal", "Entzuendung"))


@pytest.mark.slow
def test_a_study_trains_on_images_of_each_class(films, tmp_path) -> None:
    frame = pd.read_csv(films / "labels.csv", dtype=str, keep_default_na=False)
    for name, plan in {"no labels": {"options": {"labels": "none"}},
                       "no image of the class 'Covid'": {"classes": [*CLASSES, "Covid"]}}.items():
        frame.to_csv(tmp_path / "t.csv", index=False)
        options = {"path": str(tmp_path / "t.csv"), "root": str(films), **plan.get("options", {})}
        made = DataPlan.model_validate({"source": {"name": "csv", "options": options}, "size": 32,
                                        "classes": plan.get("classes")})
        images, _ = prepare(made, tmp_path / "out", seed=1)
        with pytest.raises(DataError, match=name):
            refuse_untrainable(images)
    refuse_untrainable(prepare(plan_of(films, tmp_path / "t.csv"), tmp_path / "whole", seed=1)[0])


@pytest.mark.slow
def test_a_table_that_comes_divided_stays_so_and_is_described_so(films, tmp_path) -> None:
    parts = [PARTS[number % 3] for number in range(30)]
    plan = plan_of(films, tmp_path / "t.csv", parts)
    images, _ = prepare(plan, tmp_path / "out", seed=1)
    assert images.table.frame["split"].tolist() == parts
    assert source_text(plan, images).endswith("32 px; divided as the table says")
    again, _ = prepare(plan, tmp_path / "out", seed=1)
    assert source_text(plan, again) == source_text(plan, images)


@pytest.mark.slow
@pytest.mark.parametrize(("split", "words"), [("patient", "patients divided"), ("leaky", "LEAKY")])
def test_what_the_plan_divides_is_described_as_the_plan_says(films, tmp_path, split, words) -> None:
    plan = plan_of(films, tmp_path / "t.csv", split=split)
    images, _ = prepare(plan, tmp_path / "out", seed=1)
    assert set(images.table.frame["split"]) == set(PARTS)
    assert words in source_text(plan, images)
    assert source_text(plan) == source_text(plan, images)


@pytest.mark.slow
def test_a_partly_divided_table_is_refused(films, tmp_path) -> None:
    plan = plan_of(films, tmp_path / "t.csv", ["train"] * 18 + [""] * 12)
    with pytest.raises(DataError, match=r"^12 of 30 rows have no part \(train, validation or test\)"):
        prepare(plan, tmp_path / "out", seed=1)


@pytest.mark.slow
def test_a_leaky_split_of_a_divided_table_is_refused(films, tmp_path) -> None:
    plan = plan_of(films, tmp_path / "t.csv", [PARTS[number % 3] for number in range(30)], split="leaky")
    with pytest.raises(PlanError, match=r"'leaky', but the table of images comes divided"):
        prepare(plan, tmp_path / "out", seed=1)


@pytest.mark.parametrize("content", ["{}", "no json", '{"of": "another version"}'])
@pytest.mark.slow
def test_an_unreadable_check_is_written_anew(films, tmp_path, content) -> None:
    plan = plan_of(films, tmp_path / "t.csv")
    _, report = prepare(plan, tmp_path / "out", seed=1)
    path, = (tmp_path / "out").glob("check-*.json")
    path.write_text(content)
    assert prepare(plan, tmp_path / "out", seed=1)[1] == DataReport.load(path) == report


@pytest.mark.slow
def test_a_check_is_found_again_by_its_seed(films, tmp_path, monkeypatch) -> None:
    plan = plan_of(films, tmp_path / "t.csv", [PARTS[number % 3] for number in range(30)])
    seeds, real = [], prepare_file.check_data
    monkeypatch.setattr(prepare_file, "check_data", lambda images, seed: seeds.append(seed) or real(images, seed=seed))
    for seed in (1, 2, 1, 2):
        prepare(plan, tmp_path / "out", seed=seed)
    assert seeds == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("rule", [{"resize": "pad"}, {"resize": "centre-crop", "interpolation": "area"}])
def test_the_rule_of_a_plan_reaches_the_pixels_the_card_and_screening(tmp_path, rule) -> None:
    """A model trained on padded films is given padded films wherever it is used."""
    wide = np.random.default_rng(0).integers(0, 256, (9, 40, 80), dtype=np.uint8)
    rows = []
    for number in range(45):
        path = tmp_path / "wide" / CLASSES[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(wide[number % 9], number, axis=1)).save(path)
        rows.append(path)
    source = {"name": "folder", "options": {"root": str(tmp_path / "wide"), "patient_pattern": r"(\d+)"}}
    plan = make_study(data={"source": source, "size": 48, **rule}, defences=[], models={
        "victim": {"training": training()}})
    images, _ = prepare(plan.data, tmp_path / "data", seed=plan.seed)
    assert images.rule == InputRule(size=48, **rule)
    place = images.image_ids.index("7")
    film = read_image(tmp_path / "wide" / CLASSES[7 % 3] / "7.png")
    assert images.tensor([place]).equal(to_model_input(film, InputRule(size=48, **rule)))
    make_model(plan, "victim", images, {}, tmp_path / "victim", device="cpu")
    card = load_classifier(tmp_path / "victim").card
    assert (card.resize, card.interpolation) == (images.rule.resize, images.rule.interpolation)
    films = read_films(tmp_path / "wide", card)
    assert films.images.tensor([films.names.index(f"{CLASSES[7 % 3]}/7.png")]).equal(images.tensor([place]))
    stretched, _ = prepare(plan.data.model_copy(update={"resize": "stretch", "interpolation": "bilinear"}),
                           tmp_path / "stretched", seed=plan.seed)
    with pytest.raises(InputError, match="prepare them again with its size, resize and interpolation"):
        of_run(stretched, card, "test")
    of_run(images, card, "test")
    assert ", ".join(rule.values()) in source_text(plan.data)
