"""Models that are broken on purpose: each fault is found by the check that is for it, and a sound model passes."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import DataError
from radversary.core.types import UNKNOWN, Access
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.study.model_check.report import ModelReport
from radversary.study.model_check.run import check_model
from tiny_reader import CLASSES, Before, Behind, Reader, films, reader

IMAGES, LABELS, PATIENTS = films()


def checked(model: Classifier, images=IMAGES, labels=LABELS, **given) -> ModelReport:
    return check_model(model, images, labels, patients=given.get("patients", PATIENTS))


def wrong(report: ModelReport) -> list[str]:
    return [check.name for check in report.wrong]


class Stubborn(nn.Sequential):
    """A network whose eval() does nothing."""

    def train(self, mode=True):
        return super().train(True)


def of_classes(logits):
    """The binary logit: either side against none."""
    return logits[:, 1:].amax(1, keepdim=True) - logits[:, :1]


def binary(network=None, **card):
    fields = {"classes": ("Normal", "Sick"), "task": "binary", **card}
    return reader(network or Behind(Reader(), of_classes), **fields)


def test_a_sound_model_passes():
    report = checked(reader())
    assert wrong(report) == []
    assert report.check("accuracy").value > 0.95
    assert report.check("input range").state == "ok"
    assert report.check("order of the classes").state == "ok"
    assert {check.name for check in report.checks if check.state == "not looked at"} == {
        "thresholds", "resize rule", "size of the films"}
    assert (report.images, report.patients) == (90, 30)


def test_a_sound_model_passes_without_films():
    report = check_model(reader())
    assert wrong(report) == []
    assert report.check("input range").sentence == "no data was given"


def test_films_without_labels_say_nothing_of_ranges():
    report = checked(reader(), labels=torch.full((90,), UNKNOWN))
    assert wrong(report) == []
    assert report.check("grey scale").sentence == "the data has no labels"


def test_all_but_speed_and_memory_is_the_same_in_every_run():
    def kept(report):
        return [check for check in report.checks if check.state != "measured"]
    assert kept(checked(reader())) == kept(checked(reader()))


def test_a_report_is_read_again_from_its_json():
    report = checked(reader())
    assert ModelReport.model_validate(json.loads(report.model_dump_json())) == report


@pytest.mark.parametrize("stated", [(0, 1), (0, 255)], ids=str)
def test_a_wrong_input_range_is_found_and_the_right_one_named(stated):
    report = checked(reader(input_range=stated))
    assert wrong(report) == ["input range"]
    assert "[-1, 1]" in report.check("input range").sentence


def test_the_range_of_hounsfield_units_is_found():
    report = checked(reader(Before(Reader(), lambda inputs: inputs / 1024), input_range=(0, 1)))
    assert wrong(report) == ["input range"]
    assert "[-1024, 1024]" in report.check("input range").sentence


@pytest.mark.slow
def test_a_wrong_range_is_found_behind_a_defence():
    model = Defended(reader(input_range=(0, 1)), JpegCompression(quality=90))
    assert "input range" in wrong(checked(model))
    assert model.card.input_range == (0, 1)
    assert model.classifier.card.input_range == (0, 1)


def test_films_of_inverted_grey_are_found():
    report = checked(reader(), 1 - IMAGES)
    assert wrong(report) == ["grey scale"]
    assert "MONOCHROME1" in report.check("grey scale").sentence


def test_permuted_classes_are_found_and_their_order_named():
    report = checked(reader(Behind(Reader(), lambda logits: logits[:, [2, 0, 1]])))
    assert wrong(report) == ["order of the classes"]
    assert "Right, Normal, Left" in report.check("order of the classes").sentence
    assert report.check("order of the classes").figures["best order"].value > 0.95


def test_a_model_that_knows_nothing_is_not_said_to_have_another_order():
    stream = torch.Generator().manual_seed(5)
    report = checked(reader(), labels=torch.randint(0, 3, (90,), generator=stream))
    assert wrong(report) == []
    assert report.check("accuracy").state == "note"


@pytest.mark.slow
def test_findings_under_each_others_names_are_found():
    findings = F.one_hot(LABELS, 3)[:, 1:]
    swapped = reader(Behind(Reader(), lambda logits: logits[:, [2, 1]]), classes=CLASSES[1:], task="multilabel")
    report = checked(swapped, labels=findings)
    assert wrong(report) == ["order of the classes"]
    assert wrong(checked(reader(Behind(Reader(), lambda logits: logits[:, 1:]), classes=CLASSES[1:],
                                task="multilabel"), labels=findings)) == []


@pytest.mark.slow
def test_a_flipped_binary_model_is_found():
    assert wrong(checked(binary(), labels=(LABELS > 0).long())) == []
    report = checked(binary(classes=("Sick", "Normal")), labels=(LABELS == 0).long())
    assert wrong(report) == ["order of the classes"]
    assert "Normal, Sick" in report.check("order of the classes").sentence


def test_a_threshold_far_from_the_best_is_noted():
    report = checked(binary(thresholds=(0.9,)), labels=(LABELS > 0).long())
    assert report.check("thresholds").state == "note"
    assert "instead of 0.9" in report.check("thresholds").sentence


def test_batch_normalisation_in_training_mode_is_found_and_named():
    report = checked(reader(Stubborn(nn.BatchNorm2d(1), Reader())))
    assert "alone and in a batch" in wrong(report)
    assert "0 (BatchNorm2d)" in report.check("alone and in a batch").sentence
    assert report.check("equal calls").state == "ok"


@pytest.mark.slow
def test_dropout_that_is_always_on_is_found():
    report = checked(reader(Before(Reader(), lambda inputs: F.dropout(inputs, 0.5, training=True))))
    assert "equal calls" in wrong(report)
    assert report.check("alone and in a batch").state == "not looked at"
    named = checked(reader(Stubborn(nn.Dropout(0.5), Reader())))
    assert "(Dropout)" in named.check("equal calls").sentence


def test_answers_that_are_no_numbers_on_dark_images_are_found():
    report = check_model(reader(Before(Reader(), lambda inputs: (inputs + 1).sqrt() / (inputs.amax((1, 2, 3)) + 1)
                                       .reshape(-1, 1, 1, 1) * 2 - 1)))
    assert "finite answers" in wrong(report)
    assert report.check("finite answers").value == 1
    assert "the black image" in report.check("finite answers").sentence


def test_a_model_that_never_answers_is_said_to_and_nothing_else_is_blamed():
    report = checked(reader(Behind(Reader(), lambda logits: logits * torch.nan)))
    assert wrong(report) == ["outputs"]
    assert "not finite" in report.check("outputs").sentence
    other = checked(reader(classes=("a", "b")))
    assert wrong(other) == ["outputs"]
    assert "gave (" in other.check("outputs").sentence


def test_probabilities_that_are_called_logits_are_found():
    report = checked(reader(Behind(Reader(), lambda logits: (9 * logits).softmax(1))))
    assert wrong(report) == ["logits or probabilities"]


def test_a_softmax_of_a_softmax_is_found_where_pytorch_shows_it():
    network = Behind(Reader(), lambda logits: (9 * logits).softmax(1).softmax(1))
    report = checked(reader(network, output="probabilities"))
    assert wrong(report) == ["outputs"]
    assert "twice in a row" in report.check("outputs").sentence


def test_a_softmax_of_a_softmax_is_found_by_its_figures():
    def hidden(logits):
        made = (9 * logits).softmax(1).exp()
        return made / made.sum(1, keepdim=True)
    report = checked(reader(Behind(Reader(), hidden), output="probabilities"))
    assert wrong(report) == ["logits or probabilities"]
    assert "softmax is taken of a softmax" in report.check("logits or probabilities").sentence


def test_a_softmax_over_one_output_is_found():
    report = checked(binary(Behind(Reader(), lambda logits: of_classes(logits).softmax(1)), output="probabilities"),
                     labels=(LABELS > 0).long())
    assert "logits or probabilities" in wrong(report)
    assert "softmax over one output" in report.check("logits or probabilities").sentence


def test_a_sigmoid_that_the_card_does_not_mention_is_found():
    report = check_model(binary(Behind(Reader(), lambda logits: of_classes(logits).sigmoid())))
    assert wrong(report) == ["logits or probabilities"]


def test_a_detached_gradient_is_found():
    report = checked(reader(Before(Reader(), torch.Tensor.detach)))
    assert wrong(report) == ["gradients reach the pixels"]


def test_gradients_that_rounding_makes_zero_are_found():
    report = checked(reader(Before(Reader(), lambda inputs: (inputs * 127).round() / 127)))
    assert wrong(report) == ["gradients reach the pixels"]
    assert report.check("gradients reach the pixels").value == 1


def test_a_constant_answer_is_found():
    report = checked(reader(Behind(Reader(), lambda logits: logits * 0 + torch.tensor([1.0, 2, 3]))))
    assert "answers differ between images" in wrong(report)


def test_a_model_that_fails_is_reported():
    def fail(inputs):
        raise ValueError("no such size")
    report = checked(reader(Before(Reader(), fail)))
    assert wrong(report) == ["outputs"]
    assert "no such size" in report.check("outputs").sentence


def test_what_has_no_fingerprint_is_found():
    class Bare(TorchClassifier):
        fingerprint = Classifier.fingerprint
    sound = reader()
    assert wrong(check_model(Bare(sound.module, sound.card))) == ["fingerprint"]


def test_a_model_of_labels_alone_is_checked_by_its_decisions():
    class Labels(Classifier):
        access = Access.LABELS

        def __init__(self):
            self.inner, self.card = reader(input_range=(0, 1)), reader(input_range=(0, 1)).card

        def fingerprint(self):
            return "labels"

        def decide(self, images):
            self.inner.card = self.card
            return self.inner.decide(images)
    report = checked(Labels())
    assert wrong(report) == ["input range"]
    assert report.check("gradients reach the pixels").state == "not looked at"


def test_a_model_that_does_not_read_its_card_is_not_judged_by_it():
    class Fixed(Classifier):
        access = Access.SCORES

        def __init__(self):
            self.card = ModelCard(name="fixed", architecture="x", classes=CLASSES, size=16, sha256="a" * 64)

        def logits(self, images):
            return Reader()(2 * images - 1)
    report = checked(Fixed())
    assert wrong(report) == []
    assert report.check("input range").state == "not looked at"


def test_not_one_label_an_image_is_refused():
    with pytest.raises(DataError, match="one label an image"):
        checked(reader(), labels=LABELS[:5])


def test_a_model_that_fails_on_one_image_alone_is_reported_whole():
    class Squeezing(nn.Module):
        """Answers a batch, and loses the axis of the images where there is one."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = reader().module

        def forward(self, images):
            return self.inner(images).squeeze()

    report = check_model(TorchClassifier(Squeezing(), reader().card))
    assert {check.name for check in report.checks} == {check.name for check in check_model(reader()).checks}
    assert any(check.state == "wrong" for check in report.checks)
