"""Each gallery image shows its own film, however alike the films' names are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_audit import NOISE, make_inputs, make_plan

from radversary.audit.run import run_audit
from radversary.data.table import ImageTable


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
    pictures = [file for image in result.gallery
                for file in (image.original, image.attacked, image.difference, image.evidence, *image.restored.values())]
    assert len({file.casefold() for file in pictures}) == len(pictures)
