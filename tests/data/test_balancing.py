from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radversary.core.errors import DataError, PlanError
from radversary.data.balancing import balance, rotate_before_split

LABELS = np.array([0] * 7 + [1] * 3 + [2] * 2)
ROWS = np.arange(100, 112)


@pytest.mark.slow
@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.none() | st.integers(1, 60), st.integers(0, 5))
def test_every_class_has_as_many_and_no_image_is_overused(labels, per_class, seed) -> None:
    rows = np.arange(len(labels)) + 5
    made = balance(rows, np.array(labels), per_class=per_class, seed=seed)
    wanted = per_class or max(Counter(labels).values())
    drawn = Counter(labels[row - 5] for row in made.rows)
    assert set(drawn.values()) == {wanted}
    for label in drawn:
        uses = Counter(row for row in made.rows if labels[row - 5] == label)
        assert max(uses.values()) - min(uses.values()) <= 1
    assert len(set(zip(made.rows, made.degrees, strict=True))) == len(made), "no row twice at the same angle"


def test_originals_come_first_and_turns_alternate() -> None:
    made = balance(ROWS, LABELS, per_class=9)
    of_two = made.degrees[np.isin(made.rows, ROWS[LABELS == 2])]
    assert of_two.tolist() == [0, 0, 5, 5, -5, -5, 10, 10, -10]
    assert balance(ROWS, LABELS, per_class=9, degrees=2.0).degrees.max() == 4
    assert made.rows[:7].tolist() == ROWS[:7].tolist()
    assert len(balance(ROWS, LABELS)) == 21


def test_the_seed_and_only_the_seed_decides() -> None:
    assert balance(ROWS, LABELS, per_class=2).rows.tolist() == balance(ROWS, LABELS, per_class=2).rows.tolist()
    assert len({tuple(balance(ROWS, LABELS, per_class=2, seed=seed).rows) for seed in range(6)}) > 1
    assert (balance(ROWS, LABELS, per_class=2).degrees == 0).all(), "a class with enough is sampled, not turned"


def test_bad_requests() -> None:
    with pytest.raises(DataError, match="one label a row"):
        balance(ROWS, LABELS[:3])
    with pytest.raises(DataError, match="0 rows"):
        balance(ROWS[:0], LABELS[:0])
    with pytest.raises(PlanError, match="at least 1 image"):
        balance(ROWS, LABELS, per_class=0)
    with pytest.raises(PlanError, match="a turn"):
        balance(ROWS, LABELS, degrees=0)


def test_rotated_rows_keep_patient_and_file(make_table) -> None:
    table = make_table(patients=3, each=1)
    leaky = rotate_before_split(table, per_class=7)
    assert leaky.frame["label"].value_counts().to_dict() == dict.fromkeys(table.classes, 7)
    copies = leaky.frame[leaky.frame["image_id"].str.contains("@")]
    assert len(copies) == 3 * 4
    assert set(copies["rotation"]) == {5.0, -5.0}
    originals = table.frame.set_index("image_id")
    for copy in copies.itertuples():
        image_id, angle = copy.image_id.split("@")
        assert float(angle) == copy.rotation
        assert (originals.loc[image_id, "path"], originals.loc[image_id, "patient_id"]) == (copy.path, copy.patient_id)
