"""Films that a model is checked on: whole patients, as many as are looked at, the same in every run."""

from __future__ import annotations

import pandas as pd

from radversary.data.table import ImageTable
from radversary.study.model_check.films import MOST, drawn


def table(films: int, of_a_patient: int) -> ImageTable:
    rows = [{"image_id": f"i{place}", "path": f"{place}.png", "label": "ab"[place % 2],
             "patient_id": f"p{place // of_a_patient}"} for place in range(films)]
    return ImageTable(pd.DataFrame(rows))


def test_few_films_are_all_looked_at():
    assert len(drawn(table(MOST, 2))) == MOST


def test_of_many_whole_patients_are_drawn():
    whole = table(1000, 7)
    chosen = drawn(whole)
    assert MOST - 7 < len(chosen) <= MOST
    counts, every = (part.frame["patient_id"].value_counts() for part in (chosen, whole))
    assert (counts == every[counts.index]).all()
    assert list(chosen.frame["image_id"]) == list(drawn(whole).frame["image_id"])
    assert list(chosen.frame["image_id"]) != list(drawn(whole, seed=1).frame["image_id"])


def test_of_one_patient_with_very_many_films_some_are_taken():
    assert len(drawn(table(1000, 1000))) == MOST
