from __future__ import annotations

import importlib.util

import pytest
import torch
from safetensors.torch import load_file, save_file

from radversary.core.errors import MissingPartError
from radversary.storage.checksums import sha256_file
from radversary.stylization.generators import GENERATORS
from radversary.stylization.microast import MicroAst, transfer
from random_parts import microast_state, smooth_images, write_microast


@pytest.mark.slow
def test_it_equals_the_loader_beside_the_authors_weights(weights):
    spec = importlib.util.spec_from_file_location("reference_loaders", weights / "reference_loaders.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    state = load_file(weights / "microast.safetensors")
    images, styles = smooth_images(2, 32, channels=3), smooth_images(2, 24, channels=3, seed=3)
    expected = reference.micro_ast(state, images, styles).clamp(0, 1)
    torch.testing.assert_close(transfer(images, styles, state), expected, atol=1e-5, rtol=0)
    assert (expected - images).abs().mean() > 0.05


def test_the_random_file_of_the_tests_has_the_published_layout(weights):
    published, ours = load_file(weights / "microast.safetensors"), microast_state()
    assert ours.keys() == published.keys()
    assert all(tensor.shape == published[key].shape for key, tensor in ours.items())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(32, 32), (33, 50), (35, 18)])
def test_any_size_comes_back_and_no_image_sees_another(tmp_path, size):
    generator = MicroAst(weights=str(write_microast(tmp_path)))
    images, styles = smooth_images(3, 64, channels=3)[..., : size[0], : size[1]], smooth_images(3, 24, 3, seed=3)
    together = generator.stylise(images, styles)
    assert together.shape == images.shape
    assert not together.requires_grad
    alone = torch.cat([generator.stylise(images[i:i + 1], styles[i:i + 1]) for i in range(3)])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)


def test_padding_leaves_what_lies_far_from_it_nearly_alone(tmp_path):
    generator, styles = MicroAst(weights=str(write_microast(tmp_path))), smooth_images(1, 24, 3, seed=3)
    images = smooth_images(1, 64, channels=3)
    whole, cut = generator.stylise(images, styles), generator.stylise(images[..., :62, :63], styles)
    assert (whole[..., :30, :30] - cut[..., :30, :30]).abs().mean() < 0.02


def test_the_file_is_found_by_the_variable_and_hashed(tmp_path, monkeypatch):
    monkeypatch.setenv("RADVERSARY_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingPartError, match=r"no MicroAST weights found .*RADVERSARY_WEIGHTS"):
        GENERATORS.create("microast").stylise(smooth_images(1, channels=3), smooth_images(1, channels=3))
    path = write_microast(tmp_path)
    assert GENERATORS.create("microast").content_hashes() == sha256_file(path)
    assert GENERATORS.create("microast", weights="microast.safetensors").content_hashes() == sha256_file(path)


def test_another_file_is_refused(tmp_path):
    text, other = tmp_path / "text.safetensors", tmp_path / "other.safetensors"
    text.write_text("no tensors")
    save_file({"weight": torch.zeros(1)}, other)
    for path, why in ((text, "not a readable safetensors file"), (other, "does not hold MicroAST's weights")):
        with pytest.raises(MissingPartError, match=why):
            MicroAst(weights=str(path)).stylise(smooth_images(1, channels=3), smooth_images(1, channels=3))
