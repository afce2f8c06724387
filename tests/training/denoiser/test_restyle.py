from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from radversary.core.errors import DataError, ModelError, PlanError
from radversary.defenses.restoration import RESTORERS, load_restoration
from radversary.stylization.network import shipped_stylizer
from radversary.training.denoiser.restyle import fit_restyle, mean_code
from random_parts import smooth_images

CLEAN = smooth_images(5, 48)


def codes(images: torch.Tensor) -> torch.Tensor:
    return shipped_stylizer().style(images.expand(-1, 3, -1, -1))


def test_only_the_mean_style_code_is_saved(tmp_path):
    fitted = fit_restyle(CLEAN, name="mine", out=tmp_path, amount=0.7, trained_on="noise")
    state = load_file(tmp_path / "model.safetensors")
    assert list(state) == ["code"]
    torch.testing.assert_close(state["code"], codes(CLEAN).mean(0), atol=1e-5, rtol=1e-4)
    assert (fitted.card.name, fitted.card.trained_on, fitted.card.options["amount"]) == ("mine", "noise", 0.7)
    assert torch.equal(load_restoration(tmp_path)(CLEAN), fitted(CLEAN))


def test_batches_of_any_size_give_one_code():
    batches = mean_code(iter((CLEAN[:1], CLEAN[1:].expand(-1, 3, -1, -1))))
    torch.testing.assert_close(batches, mean_code(CLEAN), atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_it_draws_what_the_style_network_draws(tmp_path):
    suspects = smooth_images(2, 48, seed=4)
    drawn = shipped_stylizer()(suspects.expand(-1, 3, -1, -1), mean_code(CLEAN).expand(2, -1)).mean(1, keepdim=True)
    for amount in (0.0, 0.4, 1.0):
        found = fit_restyle(CLEAN, name="mine", out=tmp_path, amount=amount)(suspects)
        torch.testing.assert_close(found, (1 - amount) * suspects + amount * drawn, atol=1e-5, rtol=0)


def test_gradients_pass(tmp_path):
    restyle = fit_restyle(CLEAN, name="mine", out=tmp_path, amount=1.0)
    suspects = smooth_images(2, 32, seed=4).requires_grad_()
    way = smooth_images(2, 32, seed=5) - 0.5
    (slope,) = torch.autograd.grad(restyle.bpda(suspects).sum(), suspects)
    up, down = (restyle(suspects.detach() + sign * 1e-3 * way).double().sum() for sign in (1, -1))
    torch.testing.assert_close((slope * way).sum().double(), (up - down) / 2e-3, atol=0.1, rtol=0.05)


@pytest.mark.parametrize("size", [(3, 5), (17, 30)])
def test_any_size(size):
    images = torch.rand(2, 1, *size)
    assert RESTORERS.create("restyle", amount=1.0)(images).shape == images.shape


@pytest.mark.slow
def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(DataError, match="at least one clean image"):
        fit_restyle(CLEAN[:0], name="mine", out=tmp_path)
    with pytest.raises(DataError, match="at least one clean image"):
        fit_restyle([], name="mine", out=tmp_path)
    with pytest.raises(PlanError, match=r"amount in 0\.\.1, got 1\.5"):
        fit_restyle(CLEAN, name="mine", out=tmp_path, amount=1.5)
    with pytest.raises(ModelError, match="fitted with style network 0123abcd"):
        RESTORERS.create("restyle", stylizer="0123abcd99")
