from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from tiny_study import content, make_study, training

from radversary.auditing import pieces as pieces_file
from radversary.auditing.plan import DefencePlan
from radversary.core.errors import DataError, ModelError, PlanError, RadversaryError, UnknownNameError
from radversary.storage.checksums import sha256_file
from radversary.storage.plans import parse_plan, read_plan
from radversary.study.audit_model import audit_model
from radversary.study.plan import StudyPlan
from radversary.study.run import Clock, run_study, train_models
from radversary.training.classifier import train as train_file


@pytest.fixture
def trainings(monkeypatch) -> list[str]:
    """Names of the models that were trained, in order."""
    names, real = [], train_file.train

    def counted(network, **options):
        names.append(options["card"].name)
        return real(network, **options)

    monkeypatch.setattr(train_file, "train", counted)
    return names


@pytest.fixture
def measurements(monkeypatch) -> list[int]:
    calls, real = [], pieces_file.measure_unit
    monkeypatch.setattr(pieces_file, "measure_unit", lambda *given: calls.append(1) or real(*given))
    return calls


def hashes(folder: Path) -> dict[str, str]:
    """Of all that must not depend on when it was made; the units of work note the time that they took."""
    return {str(path.relative_to(folder)): sha256_file(path)
            for path in [*folder.rglob("*.safetensors"), *folder.glob("*.parquet"), *folder.rglob("images.npy")]}


@pytest.mark.slow
def test_a_study_goes_all_the_way(finished_study):
    result, folder, told = finished_study
    assert [line.removesuffix(" …") for line in told] == ["prepare and check data", "train victim", "train hardened",
                                                         "audit", "report"]
    assert set(result.defences) == {"none", "jpeg", "hardened"}
    assert set(result.curves) == {"victim", "hardened"}
    assert "<html" in (folder / "report.html").read_text().lower()
    assert read_plan(StudyPlan, folder / "plan.yaml") == make_study()
    assert set(result.provenance) >= {"plan sha256", "images sha256", "victim sha256", "hardened sha256"}
    assert not any("more than one part" in text or "same film" in text for text in result.data.warnings)


@pytest.mark.slow
def test_a_second_run_trains_and_measures_nothing(finished_study, tmp_path, trainings, measurements):
    shutil.copytree(finished_study[1], tmp_path, dirs_exist_ok=True)
    before = hashes(tmp_path)
    drawn = (tmp_path / "data" / "source").stat().st_mtime_ns
    # The phantoms lie at another path now, so they are read again; nothing else may be done twice.
    again = run_study(make_study(), tmp_path, device="cpu")
    assert trainings == measurements == []
    assert hashes(tmp_path) == before
    assert (tmp_path / "data" / "source").stat().st_mtime_ns == drawn
    assert again.cells == finished_study[0].cells
    images = (tmp_path / "data" / "prepared" / "images.npy").stat().st_mtime_ns
    train_models(make_study(), tmp_path, device="cpu")
    assert (tmp_path / "data" / "prepared" / "images.npy").stat().st_mtime_ns == images


@pytest.mark.slow
def test_a_changed_training_makes_that_model_anew_and_no_other(tmp_path, trainings):
    train_models(make_study(), tmp_path, device="cpu")
    victim = sha256_file(tmp_path / "models" / "victim" / "model.safetensors")
    hardened = sha256_file(tmp_path / "models" / "hardened" / "model.safetensors")
    changed = copy.deepcopy(content())
    changed["models"]["hardened"]["training"]["batch_size"] = 16
    train_models(parse_plan(StudyPlan, changed, source="test"), tmp_path, device="cpu")
    assert trainings == ["victim", "hardened", "hardened"]
    assert sha256_file(tmp_path / "models" / "victim" / "model.safetensors") == victim
    assert sha256_file(tmp_path / "models" / "hardened" / "model.safetensors") != hardened


@pytest.mark.slow
def test_a_changed_victim_makes_what_starts_from_it_anew_too(tmp_path, trainings):
    train_models(make_study(), tmp_path, device="cpu")
    changed = copy.deepcopy(content())
    changed["models"]["victim"]["training"]["batch_size"] = 16
    train_models(parse_plan(StudyPlan, changed, source="test"), tmp_path, device="cpu")
    assert trainings == ["victim", "hardened"] * 2


@pytest.mark.slow
def test_a_changed_attack_trains_nothing(finished_study, tmp_path, trainings, measurements):
    shutil.copytree(finished_study[1], tmp_path, dirs_exist_ok=True)
    changed = make_study(attacks=[{"label": "noise", "name": "noise"}], gallery=0)
    result = run_study(changed, tmp_path, device="cpu")
    assert trainings == []
    assert measurements
    assert result.cell("noise", 0.05, "hardened").performance.accuracy.n > 0


@pytest.mark.slow
def test_stopped_in_training_and_started_again_it_ends_with_the_same_bytes(finished_study, tmp_path, monkeypatch,
                                                                           trainings):
    counted = train_file.train

    def stopping(network, **options):
        if options["card"].name == "hardened":
            raise KeyboardInterrupt
        return counted(network, **options)

    with monkeypatch.context() as patch:
        patch.setattr(train_file, "train", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_study(make_study(), tmp_path, device="cpu")
    run_study(make_study(), tmp_path, device="cpu")
    assert trainings == ["victim", "hardened"]
    assert hashes(tmp_path) == hashes(finished_study[1])


@pytest.mark.slow
def test_the_leaky_split_is_found_out(tmp_path):
    leaky = content()["data"] | {"split": "leaky", "per_class": 30}
    result = run_study(make_study(data=leaky, models={"victim": {"training": training()}}, defences=[], gallery=0),
                       tmp_path, device="cpu")
    assert any("in more than one part" in warning for warning in result.data.warnings)
    assert any("show the same film" in warning for warning in result.data.warnings)
    assert "LEAKY" in result.data.source


@pytest.mark.parametrize(("changes", "kind", "words"), [
    ({"modles": {}}, UnknownNameError, "did you mean 'models'"),
    ({"models": {"vctim": {}}}, PlanError, "one called 'victim'"),
    ({"defences": [{"label": "x", "model": "hardend"}]}, PlanError, "'hardend', which is not among the models"),
    ({"data": {"source": {"name": "phantoms"}, "size": 8}}, PlanError, "data.size"),
    ({"data": {"source": {"name": "phantoms"}, "channels": 2}}, PlanError, "data.channels"),
    ({"data": {"source": {"name": "phantoms"}, "split": "paitent"}}, PlanError, "data.split"),
])
def test_a_study_plan_that_contradicts_itself_is_one_sentence(changes, kind, words):
    with pytest.raises(kind, match=words) as caught:
        make_study(**changes)
    assert "\n" not in str(caught.value)


def with_styles(styles: str, trained: str = "train") -> StudyPlan:
    changed = copy.deepcopy(content())
    changed["attacks"][0]["options"]["styles"] = styles
    changed["models"]["hardened"]["adversarial"]["attacks"][0]["options"]["styles"] = trained
    return parse_plan(StudyPlan, changed, source="test")


def without_hardened(**changes) -> StudyPlan:
    return make_study(models={"victim": {"training": training()}}, defences=[], **changes)


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "kind", "words"), [
    (lambda: with_styles("train"), PlanError, "'hardened' trains on 3 of the styles that attack 'style' is audited"),
    (lambda: with_styles("tset"), UnknownNameError, "did you mean 'test'"),
    (lambda: with_styles("test", "trian"), UnknownNameError, "did you mean 'train'"),
    (lambda: without_hardened(attacks=[{"label": "s", "name": "style-transfer", "options": {"styles": "styles"}}]),
     DataError, "holds no readable image"),
    (lambda: without_hardened(attacks=[{"label": "s", "name": "style-trasfer"}]), UnknownNameError, "'style-transfer'"),
    (lambda: make_study(data={"source": {"name": "phantom"}}), UnknownNameError, "did you mean 'phantoms'"),
    (lambda: make_study(data={"source": {"name": "folder", "options": {"root": "none"}}}), DataError, "no folder none"),
    (lambda: make_study(data=content()["data"] | {"classes": ["a", "b"]}), ModelError, "the data has 3"),
])
def test_what_does_not_fit_is_said_before_anything_is_trained(tmp_path, monkeypatch, trainings, plan, kind, words):
    (tmp_path / "styles").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words):
        run_study(plan(), tmp_path / "run", device="cpu")
    assert trainings == []


@pytest.mark.slow
def test_fewer_images_than_a_batch_is_one_sentence(tmp_path):
    plan = make_study(models={"victim": {"training": training(batch_size=5000)}}, defences=[])
    with pytest.raises(DataError, match="fewer than one batch of 5000"):
        run_study(plan, tmp_path, device="cpu")
    assert not (tmp_path / "result.json").exists()


@pytest.mark.slow
def test_pictures_that_changed_train_the_defence_anew(tmp_path, trainings):
    styles = tmp_path / "styles"
    styles.mkdir()
    for size, seed in ((31, 1), (33, 2)):  # the size too, because a bank is read once a process
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8)).save(styles / "a.png")
        changed = copy.deepcopy(content())
        (attack,) = changed["models"]["hardened"]["adversarial"]["attacks"]
        attack["options"] |= {"styles": str(styles), "style_size": size}
        train_models(parse_plan(StudyPlan, changed, source="test"), tmp_path / "run", device="cpu")
    assert trainings == ["victim", "hardened", "hardened"]


class TestExisting:
    @pytest.fixture
    def model(self, tmp_path) -> Path:
        train_models(without_hardened(), tmp_path / "made", device="cpu")
        return tmp_path / "made" / "models" / "victim"

    SOURCE: ClassVar = {"name": "phantoms", "options": {"count": 45, "size": 48, "seed": 9}}

    def plan(self, **changes):
        return make_study(**changes).audit_part()

    @pytest.mark.slow
    def test_a_saved_model_is_audited_on_other_films(self, model, tmp_path):
        plan = self.plan(defences=[{"label": "jpeg", "transforms": [{"name": "jpeg"}]}])
        result = audit_model(plan, model, self.SOURCE, tmp_path / "audit")
        assert result.model["name"] == "victim"
        assert set(result.data.counts) == {"validation", "test"}
        assert (tmp_path / "audit" / "report.html").is_file()

    @pytest.mark.slow
    def test_a_defence_may_be_another_saved_model(self, model, tmp_path):
        same = DefencePlan(label="same", model=str(model))
        plan = make_study(defences=[]).audit_part().model_copy(update={"defences": (same,)})
        result = audit_model(plan, model, self.SOURCE, tmp_path / "audit")
        assert result.cell("clean", 0.0, "same").against_none.difference.value == 0

    @pytest.mark.slow
    def test_models_that_cannot_be_used_are_one_sentence(self, model, tmp_path):
        (tmp_path / "model.pt").write_bytes(b"\x80\x02")
        for place in (tmp_path / "none", tmp_path / "model.pt", tmp_path):
            with pytest.raises(ModelError):
                audit_model(self.plan(), place, self.SOURCE, tmp_path / "audit")
        with pytest.raises(RadversaryError, match="no folder"):
            audit_model(self.plan(defences=[]), model, {"name": "folder", "options": {"root": "none"}},
                           tmp_path / "audit")


@pytest.mark.parametrize("content", ["{", "[]", '{"seconds": {"audit": "1"}, "counted": {}}', "[" * 5000])
def test_damaged_timings_start_anew(tmp_path, content):
    (tmp_path / "timings.json").write_text(content)
    clock = Clock(tmp_path, "key")
    with clock.step("audit"):
        pass
    assert set(clock.seconds(["audit"])) == {"audit"}


@pytest.mark.slow
def test_a_battery_whose_faintest_bound_images_cannot_hold_is_no_reason_to_train_nothing(tmp_path):
    plan = without_hardened().model_dump(mode="json", exclude_unset=True) | {"battery": "quick"}
    assert set(train_models(parse_plan(StudyPlan, plan, source="test"), tmp_path, device="cpu")) == {"victim"}
    own = plan | {"attacks": [{"label": "faint", "name": "fgsm", "strengths": [0.5 / 255]}]}
    with pytest.raises(PlanError, match="below the quantisation step of 8-bit"):
        train_models(parse_plan(StudyPlan, own, source="test"), tmp_path, device="cpu")
