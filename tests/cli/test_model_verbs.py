"""`radversary model describe` and `check`: what is printed, asked, written and refused, with which exit codes."""

from __future__ import annotations

import io
import json

import pytest
import torch
from torch import nn

from programs_on_disk import exported, small
from radversary.classifiers.registry import load
from radversary.imaging.codec import to_picture
from radversary.study.model_check.report import ModelReport
from tiny_reader import CLASSES, SIDE, Reader, films

pytestmark = pytest.mark.slow

KNOWN = ("--classes", "a,b,c", "--input-range", "0,255", "--licence", "MIT")


@pytest.fixture
def bare(tmp_path):
    """An exported program without a card."""
    path = exported(small(), tmp_path / "m.pt2", batch=torch.export.Dim("n"))
    (tmp_path / "m.card.json").unlink()
    return path


@pytest.fixture
def folder(tmp_path):
    """Films in class folders, larger than the model's and of another shape."""
    images, labels, _ = films(48)
    for place, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        target = tmp_path / "films" / CLASSES[label]
        target.mkdir(parents=True, exist_ok=True)
        large = nn.functional.interpolate(image[None], size=(40, 32))[0]
        to_picture(large).save(target / f"p{place:03d}.png")
    return tmp_path / "films"


class Wide(nn.Module):
    """The reader of one channel, of 32 pixels a side."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = Reader()

    def forward(self, inputs):
        return self.reader(nn.functional.avg_pool2d(inputs, 2))


@pytest.fixture
def sound(tmp_path):
    return exported(Wide(), tmp_path / "sound.pt2", images=torch.rand(3, 1, 2 * SIDE, 2 * SIDE),
                    batch=torch.export.Dim("n"), classes=list(CLASSES), input_range=[-1, 1], mean=[0.0], std=[1.0])


def test_a_pipeline_gets_a_card_that_loads(radversary, bare):
    done = radversary("model", "describe", bare, "--yes", *KNOWN)
    assert done.code == 0, done.err
    card = load(bare).card
    assert (card.classes, card.size, card.input_range, card.licence) == (("a", "b", "c"), 32, (0, 255), "MIT")
    assert "read from the file" in done.out
    assert "answered" in done.out
    assert "seen in its answers: answers to 4 generated images leave [0, 1]" in done.out
    assert "to be confirmed with `radversary model check" in done.err
    assert "resize" in done.err.splitlines()[-1]


def test_what_is_unknown_is_refused_in_one_sentence_and_nothing_is_written(radversary, bare):
    left = radversary("model", "describe", bare, "--yes", "--classes", "a,b,c")
    assert (left.code, left.out) == (2, "")
    assert left.err.splitlines()[-1].startswith("error: what cannot be read from")
    assert "must be given: --input-range" in left.err
    assert not bare.with_name("m.card.json").exists()


def test_nobody_there_to_answer_is_refused_likewise(radversary, bare, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    left = radversary("model", "describe", bare)
    assert left.code == 2
    assert "must be given: --classes, --input-range" in left.err


def test_a_person_is_asked_for_what_cannot_be_known(radversary, bare, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a,,c\na,b,c\nfrom 0 to 255\n0,255\npad\n\n"))
    done = radversary("model", "describe", bare)
    assert done.code == 0, done.err
    assert "the network has 3 outputs" in done.err
    assert "--classes must be names between commas" in done.err
    assert "--input-range must be two figures" in done.err
    card = load(bare).card
    assert (card.classes, card.input_range, card.resize, card.licence) == (("a", "b", "c"), (0, 255), "pad", "")


def test_a_card_is_written_over_with_force_alone(radversary, bare):
    assert radversary("model", "describe", bare, "--yes", *KNOWN).code == 0
    before = bare.with_name("m.card.json").read_bytes()
    left = radversary("model", "describe", bare, "--yes", *KNOWN, "--resize", "pad")
    assert (left.code, "--force" in left.err) == (2, True)
    assert bare.with_name("m.card.json").read_bytes() == before
    assert radversary("model", "describe", bare, "--yes", "--force", *KNOWN, "--resize", "pad").code == 0
    assert load(bare).card.resize == "pad"


def test_a_sound_model_passes_on_films(radversary, sound, folder):
    done = radversary("model", "check", sound, "--root", folder)
    assert done.code == 0, done.out + done.err
    assert "on 48 films of 48 patients" in done.out
    assert "wrong" not in done.out + done.err


def test_a_wrong_card_is_told_with_exit_code_1(radversary, sound, folder):
    card = json.loads((path := sound.with_name("sound.card.json")).read_text())
    path.write_text(json.dumps({**card, "input_range": [0, 255]}))
    done = radversary("model", "check", sound, "--data", "folder", "--root", folder)
    assert done.code == 1
    assert "wrong: input range: it knows the films far better where it is given [-1, 1]" in done.err


def test_the_record_is_json_and_says_what_the_resize_rules_give(radversary, sound, folder):
    done = radversary("model", "check", sound, "--root", folder, "--json")
    assert done.code == 0
    report = ModelReport.model_validate_json(done.out)
    assert set(report.check("resize rule").figures) == {"as the card says", "pad", "centre-crop"}
    assert report.check("size of the films").value == 0
    assert report.check("memory").state == "measured"


def test_without_films_the_rest_is_looked_at(radversary, sound):
    done = radversary("model", "check", sound)
    assert done.code == 0
    assert "no data was given" in done.out


def test_what_cannot_be_loaded_is_refused(radversary, bare, tmp_path):
    assert radversary("model", "check", bare).code == 2
    assert radversary("model", "check", tmp_path / "none").code == 2
    assert radversary("model", "describe", tmp_path / "none").code == 2
