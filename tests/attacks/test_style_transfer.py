from __future__ import annotations

import pytest
import torch
from PIL import Image

from radversary.attacks.base import Batch, blend, run_attack
from radversary.attacks.registry import ATTACKS
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.core.errors import DataError, PlanError, TensorError, UnknownNameError
from radversary.core.seeds import Streams
from radversary.stylization.bank import procedural_bank
from random_parts import count_calls, smooth_images, tiny_classifier

QUICK = {"generator": "fourier", "count": 4, "style_size": 32}
LABELS = torch.zeros(2, dtype=torch.int64)


def streams():
    return Streams.for_images(["a", "b"], seed=1, step="test")


def test_opacity_mixes_linearly():
    images, attack = smooth_images(2), StyleTransferAttack(**QUICK)
    stylised = attack.stylise(images, streams())
    for opacity in (0.25, 0.8):
        attacked = attack.at(opacity).perturb(tiny_classifier(), images, LABELS, streams())
        torch.testing.assert_close(attacked, opacity * stylised + (1 - opacity) * images, atol=1e-6, rtol=0)


def test_one_stylisation_serves_all_opacities(monkeypatch):
    counted, calls = count_calls(StyleTransferAttack.stylise)
    monkeypatch.setattr(StyleTransferAttack, "stylise", lambda self, *given: counted(self, *given))
    attack, images = StyleTransferAttack(**QUICK), smooth_images(2)
    attacked = list(attack.ladder(tiny_classifier(), images, LABELS, streams(), [0.1, 0.3, 0.5, 1.0]))
    assert (len(attacked), len(calls)) == (4, 1)
    list(attack.ladder(tiny_classifier(), images, LABELS, streams(), [0.0]))
    assert len(calls) == 1


def test_each_image_takes_the_style_its_own_stream_draws():
    bank = procedural_bank("test", count=4, size=32)
    attack, images = StyleTransferAttack(**QUICK), smooth_images(2)
    drawn = streams().integers(4)
    expected = attack.build_generator().stylise(
        images.expand(-1, 3, -1, -1), bank.images[drawn].mul(torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1))
        .sum(1, keepdim=True).expand(-1, 3, -1, -1))[:, :1]
    torch.testing.assert_close(attack.stylise(images, streams()), expected, atol=1e-4, rtol=0)


def test_a_folder_of_pictures_is_a_bank(tmp_path):
    Image.new("RGB", (40, 40), (255, 255, 255)).save(tmp_path / "white.png")
    attack = StyleTransferAttack(**{**QUICK, "styles": str(tmp_path)})
    assert attack.bank().names == ("white.png",)


def test_a_folder_that_changed_is_another_attack(tmp_path):
    Image.new("RGB", (40, 40), (255, 255, 255)).save(tmp_path / "style.png")
    first = StyleTransferAttack(**{**QUICK, "styles": str(tmp_path), "style_size": 31}).content_hashes()
    Image.new("RGB", (40, 40), (0, 0, 0)).save(tmp_path / "style.png")
    second = StyleTransferAttack(**{**QUICK, "styles": str(tmp_path), "style_size": 33}).content_hashes()
    assert first != second
    assert len(first) == len(second) == 1
    assert ATTACKS.create("noise").content_hashes() == ()


@pytest.mark.parametrize(("options", "kind", "words"), [
    ({"opacity": 1.5}, PlanError, r"opacity must lie in \[0, 1\], got 1.5"),
    ({"opacity": "much"}, PlanError, "opacity: input should be a valid number"),
    ({"colour": "gray"}, UnknownNameError, "did you mean 'grey'"),
    ({"generator": "adian"}, UnknownNameError, "did you mean 'adain'"),
    ({"options": {"bnad": 0.5}}, UnknownNameError, "did you mean 'band'"),
    ({"options": {"band": 2}}, PlanError, "0 < band ≤ 1"),
    ({"opactiy": 0.5}, UnknownNameError, "did you mean 'opacity'"),
    ({"count": 0}, PlanError, "count"),
    ({"count": "many"}, PlanError, "count: input should be a valid integer"),
    ({"style_size": 2}, PlanError, "style_size"),
])
def test_what_does_not_fit_is_refused_at_once(options, kind, words):
    with pytest.raises(kind, match=words):
        ATTACKS.create("style-transfer", **{**QUICK, **options})


def test_a_style_source_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        StyleTransferAttack(styles="trian").bank()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no readable image"):
        StyleTransferAttack(styles=str(tmp_path / "empty")).bank()


def test_an_attack_that_breaks_the_pixel_contract_is_named(monkeypatch):
    noise = ATTACKS.create("noise")
    monkeypatch.setattr(type(noise), "perturb", lambda self, *given: given[1] + 1)
    batch = Batch(images=smooth_images(2), labels=LABELS, image_ids=("a", "b"))
    with pytest.raises(TensorError, match=r"output of Noise\(.*deviation=0.05\) must lie in \[0, 1\]"):
        list(run_attack(noise, tiny_classifier(), batch, seed=1, step="s", strengths=[0.1]))


def test_noise_has_the_deviation_it_states():
    grey = torch.full((2, 3, 128, 128), 0.5)
    attacked = ATTACKS.create("noise", deviation=0.05).perturb(tiny_classifier(), grey, LABELS, streams())
    assert (attacked - grey).std().item() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(attacked[:, 0], attacked[:, 2])


def test_blend_of_nothing_is_exact():
    images = torch.rand(1, 1, 8, 8)
    assert torch.equal(blend(images, torch.rand(1, 1, 8, 8), 0.0), images)
