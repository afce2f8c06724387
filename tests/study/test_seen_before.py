"""An audit counts the images that a model was trained on among those that it is audited on, and no others."""

from __future__ import annotations

import pandas as pd
import pytest
from tiny_study import make_study

from radversary.auditing.setup import test_rows as rows_tested
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import DataError
from radversary.storage.json_files import write_json
from radversary.study import audit_model as audit_file
from radversary.study.audit_model import audit_model, seen_before
from radversary.study.model_folders import SEEN

SOURCE = {"name": "phantoms", "options": {"count": 45, "size": 48, "seed": 9}}


class Prepared(Exception):
    """Carries what is audited."""


def reached(plan, model, out):
    """Return the inputs of an audit, of which nothing is measured."""
    with pytest.raises(Prepared) as stop:
        audit_model(plan, model, SOURCE, out, device="cpu")
    return stop.value.args[0]


@pytest.mark.slow
def test_with_a_limit_what_is_tested_is_counted(tmp_path, monkeypatch):
    def stop(_plan, inputs, _out, **_options):
        raise Prepared(inputs)

    monkeypatch.setattr(audit_file, "run_audit", stop)
    plan, model = make_study(limit=6, defences=[]).audit_part(), tmp_path / "model"
    inputs = reached(make_study(defences=[]).audit_part(), model_of(model), tmp_path / "audit")
    files, tested = inputs.images.table.frame["file_sha256"], rows_tested(plan, inputs.images)
    others = sorted(set(inputs.images.rows("test")) - set(tested))
    assert len(others) > len(tested)
    write_json(model / SEEN, {"file_sha256": sorted(files.iloc[[*others, tested[0]]])})
    said = reached(plan, model, tmp_path / "audit").report
    assert f"1 of {len(tested)} test images were in this model's training" in said.errors
    assert not any("in this model's training" in warning for warning in said.warnings)
    write_json(model / SEEN, {"file_sha256": sorted(files.iloc[tested])})
    with pytest.raises(DataError, match=f"^{len(tested)} of {len(tested)} test images were in this model's training"):
        audit_model(plan, model, SOURCE, tmp_path / "audit", device="cpu")


def test_a_file_that_was_saved_anew_is_known_by_its_pixels(tmp_path):
    tested = pd.DataFrame({"file_sha256": ["new", "b", "c"], "pixels_sha256": ["one", "two", "three"]})
    write_json(tmp_path / SEEN, {"file_sha256": ["a", "b"]})
    assert seen_before(tmp_path, tested) == ("1 of 3 test images were in this model's training",)  # as in older lists
    write_json(tmp_path / SEEN, {"file_sha256": ["a", "b"], "pixels_sha256": ["one", "two"]})
    with pytest.raises(DataError, match=r"^2 of 3 test images were in this model's training"):
        seen_before(tmp_path, tested)


def model_of(folder):
    network = build_network("tiny", classes=3, seed=0)
    save_classifier(wrap(network, classes=("Normal", "Pneumonia", "Pneumothorax"), size=48, name="victim",
                         architecture="tiny"), folder)
    return folder
