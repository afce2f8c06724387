"""Each gallery image shows its own film, however alike the films' names are."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_audit import NOISE, make_inputs, make_plan

from radversary.auditing.run import run_audit
from radversary.data.table import ImageTable
from radversary.storage.tables import read_table


@pytest.mark.slow
def test_films_whose_names_differ_by_a_blank_by_case_or_at_the_end_of_a_long_name(tmp_path) -> None:
    inputs = make_inputs(tmp_path / "p")
    images = inputs.images
    ids = [("N {}", "N_{}", "n {}", "9" * 222 + "/{}")[row % 4].format(row // 4) for row in range(len(images))]
    table = ImageTable(images.table.frame.assign(image_id=ids), images.classes)
    named = replace(inputs, images=replace(images, table=table))
    run = tmp_path / "run"
    result = run_audit(make_plan(attacks=[NOISE], gallery=12), named, run)
    assert len({image.image_id for image in result.gallery}) == 12
    for image in result.gallery:
        expected = images.tensor([ids.index(image.image_id)])[0, 0] * 255
        np.testing.assert_array_equal(np.asarray(Image.open(run / image.original)), expected.round().numpy())
    names = [path.name for path in (run / "figures" / "gallery").iterdir()]
    assert max(len(name.encode()) for name in names) <= 110
    pictures = [file for image in result.gallery for file in (
        image.original, image.attacked, image.difference, image.evidence, *image.restored.values())]
    assert len({file.casefold() for file in pictures}) == len(pictures)


@pytest.mark.slow
def test_a_run_folder_whose_name_is_not_utf8_is_written_and_read(tmp_path) -> None:
    inputs = make_inputs(tmp_path / "p")
    run = tmp_path / os.fsdecode(b"run\xfe")
    plan = make_plan(attacks=[NOISE], defences=[], gallery=1)
    result = run_audit(plan, inputs, run)
    assert (run / result.gallery[0].original).is_file()
    assert len(read_table(run / "predictions.parquet")) > 0
    assert run_audit(plan, inputs, run).provenance == result.provenance
