from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from radversary.core.errors import DataError, PlanError
from radversary.data.splits import split_by_image, split_by_patient
from radversary.data.table import PARTS, ImageTable


def table(patients: list[tuple[str, int]]) -> ImageTable:
    """One patient an entry: a label and a number of images."""
    rows = [{"image_id": f"i{patient}_{number}", "path": "x.png", "label": label, "patient_id": f"p{patient}"}
            for patient, (label, images) in enumerate(patients) for number in range(images)]
    return ImageTable(pd.DataFrame(rows))


def shares(split: ImageTable) -> pd.DataFrame:
    return pd.crosstab(split.frame["label"], split.frame["split"], normalize="index")[list(PARTS)]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 12)), min_size=6, max_size=60), st.integers(0, 99))
def test_no_patient_in_two_parts_and_every_class_in_all(patients, seed) -> None:
    labels = [label for label, _ in patients]
    patients += [(label, 1) for label in {*labels, "A", "B"} for _ in range(max(0, 3 - labels.count(label)))]
    split = split_by_patient(table(patients), seed=seed)
    assert (split.frame.groupby("patient_id")["split"].nunique() == 1).all()
    assert (pd.crosstab(split.frame["label"], split.frame["split"])[list(PARTS)] > 0).all(axis=None)


@pytest.mark.slow
def test_shares_are_kept_class_by_class() -> None:
    rng = np.random.default_rng(0)
    patients = [("Normal", int(n)) for n in rng.integers(1, 9, 200)]
    patients += [("Pneumonia", int(n)) for n in rng.integers(1, 4, 60)]
    split = split_by_patient(table(patients))
    np.testing.assert_allclose(shares(split).to_numpy(), [[0.6, 0.2, 0.2]] * 2, atol=0.015)
    skewed = split_by_patient(table(patients), fractions=(0.8, 0.1, 0.1))
    np.testing.assert_allclose(shares(skewed).to_numpy(), [[0.8, 0.1, 0.1]] * 2, atol=0.02)


@pytest.mark.slow
def test_patients_with_many_films_are_spread_like_the_rest() -> None:
    patients = [("A", 20)] * 20 + [("A", 1)] * 400 + [("B", 1)] * 100
    split = split_by_patient(table(patients)).frame
    many = split[split.groupby("patient_id")["path"].transform("size") == 20].groupby("split")["patient_id"].nunique()
    assert many[list(PARTS)].tolist() == [12, 4, 4]


def test_a_patient_of_several_classes_stays_whole() -> None:
    frame = table([("A", 2)] * 30 + [("B", 2)] * 30).frame
    mixed = frame["patient_id"].isin([f"p{n}" for n in range(10)])
    frame.loc[mixed & frame["image_id"].str.endswith("_1"), "label"] = "B"
    split = split_by_patient(ImageTable(frame))
    assert (split.frame.groupby("patient_id")["split"].nunique() == 1).all()
    np.testing.assert_allclose(shares(split).to_numpy(), [[0.6, 0.2, 0.2]] * 2, atol=0.03)


@pytest.mark.slow
def test_the_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    plain = table([("A", 1)] * 40 + [("B", 2)] * 40)
    shuffled = ImageTable(plain.frame.sample(frac=1, random_state=3))

    def parts(split: ImageTable) -> dict[str, str]:
        return dict(zip(split.frame["image_id"], split.frame["split"], strict=True))

    assert parts(split_by_patient(plain)) == parts(split_by_patient(shuffled))
    assert parts(split_by_image(plain)) == parts(split_by_image(shuffled))
    assert parts(split_by_patient(plain)) != parts(split_by_patient(plain, seed=1))


def test_three_patients_a_class_are_enough_and_two_are_not() -> None:
    assert (pd.crosstab(*split_by_patient(table([("A", 9), ("A", 1), ("A", 1), *[("B", 1)] * 3])).frame[
        ["label", "split"]].T.to_numpy()) > 0).all(axis=None)
    with pytest.raises(DataError, match=r"'B' has images of 2 patients; a split .* needs at least 3"):
        split_by_patient(table([("A", 9)] * 5 + [("B", 5)] * 2))


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.6, 0.3, 0.2), (1.0, 0.0, 0.0), (0.9, 0.2, -0.1)])
def test_bad_fractions(fractions) -> None:
    with pytest.raises(PlanError, match="three positive numbers"):
        split_by_patient(table([("A", 1)] * 9 + [("B", 1)] * 9), fractions=fractions)


@pytest.mark.slow
def test_split_by_image_is_the_thesis_protocol_and_leaks() -> None:
    split = split_by_image(table([("A", 4)] * 25 + [("B", 4)] * 25))
    ids = sorted(split.frame["image_id"])
    rest, test = train_test_split(ids, test_size=0.2, random_state=42)
    assert set(split.select("test").frame["image_id"]) == set(test)
    _, validation = train_test_split(rest, test_size=0.25, random_state=42)
    assert set(split.select("validation").frame["image_id"]) == set(validation)
    assert split.frame["split"].value_counts().to_dict() == {"train": 120, "validation": 40, "test": 40}
    assert (split.frame.groupby("patient_id")["split"].nunique() > 1).any()
    for few in ([("A", 1)] * 2 + [("B", 1)], [("A", 1)] * 40 + [("B", 1)] * 2):
        with pytest.raises(DataError, match=r"too few|holds no image of class"):
            split_by_image(table(few))


@pytest.mark.slow
def test_real_films_split_as_asked(cxr, tmp_path) -> None:
    from radversary.data.nih import NihChestXray14

    split = split_by_patient(NihChestXray14(root=cxr).table(tmp_path))
    counts = pd.crosstab(split.frame["label"], split.frame["split"])[list(PARTS)]
    assert counts.to_numpy().tolist() == [[258, 86, 86], [248, 83, 83], [23, 8, 8]]
    assert (split.frame.groupby("patient_id")["split"].nunique() == 1).all()
