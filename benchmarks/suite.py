"""What is measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.costs import costs
from benchmarks.crowded import crowded
from benchmarks.forms import forms
from benchmarks.measure import Contender, compare
from benchmarks.peers import peers
from benchmarks.screening import screening
from benchmarks.served import served
from benchmarks.soak import soak
from benchmarks.start import start
from radversary.core.errors import MissingPartError
from radversary.core.seeds import generator, numpy_generator
from radversary.core.types import Images


def pictures(count: int, size: int) -> Images:
    """Return phantoms, (count, 1, size, size)."""
    from radversary.data.phantoms import Phantoms

    return torch.cat([batch.images for batch in Phantoms(count=count, size=size).generate()])


def stylization() -> dict[str, Any]:
    """Feed-forward stylisation against MicroAST and Gatys."""
    from radversary.stylization.bank import procedural_bank
    from radversary.stylization.generators import AdaIn, Gatys

    images = pictures(4, 224).expand(-1, 3, -1, -1)
    styles = procedural_bank("test", count=4, size=128).images
    large = torch.nn.functional.interpolate(styles, (224, 224), mode="bilinear")
    contenders: dict[str, Contender] = {"radversary adain": lambda: AdaIn().stylise(images, styles)}
    weights = Path(os.environ.get("RADVERSARY_WEIGHTS", "weights"))
    if (weights / "microast.safetensors").is_file():
        contenders["MicroAST"] = microast(weights, images, large)
    gatys = Gatys(steps=10)
    try:
        gatys.stylise(images, large)
        contenders["Gatys, 300 steps"] = lambda: gatys.stylise(images, large)
    except MissingPartError as missing:
        print(missing)
    return compare("stylization", "radversary adain", contenders, scale={"Gatys, 300 steps": 30.0},
                   note="4 images at 224 px; MicroAST as in the reference loader beside its weights; "
                        "Gatys on the VGG-19 file found, 10 steps times 30")


def microast(weights: Path, images: Images, styles: Images) -> Contender:
    """Return MicroAST's forward pass, from the loader that lies beside its weights."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("reference_loaders", weights / "reference_loaders.py")
    if spec is None or spec.loader is None:
        raise MissingPartError(f"{weights} has no reference_loaders.py")
    loaders = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaders)
    state = load_file(weights / "microast.safetensors")

    def forward() -> object:
        with torch.no_grad():
            return loaders.micro_ast(state, images, styles)

    return forward


def similarity() -> dict[str, Any]:
    """SSIM against scikit-image and torchmetrics."""
    from skimage.metrics import structural_similarity
    from torchmetrics.functional.image import structural_similarity_index_measure

    from radversary.imaging.similarity import ssim

    first = pictures(32, 224)
    second = (first + 0.05 * torch.randn(first.shape, generator=generator("bench"))).clamp(0, 1)
    pairs = list(zip(first[:, 0].numpy(), second[:, 0].numpy(), strict=True))
    return compare("similarity", "radversary", {
        "radversary": lambda: ssim(first, second),
        "scikit-image": lambda: [structural_similarity(a, b, gaussian_weights=True, sigma=1.5, data_range=1.0,
                                                       use_sample_covariance=False) for a, b in pairs],
        "torchmetrics": lambda: structural_similarity_index_measure(second, first, data_range=1.0, reduction="none")},
        note="32 pairs at 224 px")


def edges() -> dict[str, Any]:
    """Canny against scikit-image and kornia."""
    from kornia.filters import canny as kornia_canny
    from skimage.feature import canny as skimage_canny

    from radversary.imaging.edges import canny

    images = pictures(8, 224)
    return compare("edges", "radversary", {
        "radversary": lambda: canny(images),
        "scikit-image": lambda: [skimage_canny(image) for image in images[:, 0].numpy()],
        "kornia": lambda: kornia_canny(images)}, note="8 films at 224 px, each library's own defaults but thresholds")


def intervals() -> dict[str, Any]:
    """Figures with patient-level intervals against scikit-learn in a loop."""
    from sklearn.metrics import classification_report, roc_auc_score

    from radversary.metrics.classification import performance

    rng = numpy_generator("bench")
    labels, scores = rng.integers(0, 3, 1000), rng.dirichlet(np.ones(3), 1000)
    patients = [str(patient) for patient in rng.integers(0, 400, 1000)]
    rows = {patient: np.flatnonzero(np.array(patients) == patient) for patient in set(patients)}

    def loop() -> None:
        for _ in range(20):
            drawn = np.concatenate([rows[patient] for patient in rng.choice(list(rows), len(rows))])
            classification_report(labels[drawn], scores[drawn].argmax(1), output_dict=True, zero_division=0)
            roc_auc_score(labels[drawn], scores[drawn], multi_class="ovr")

    return compare("intervals", "radversary", {
        "radversary": lambda: performance(labels, scores, classes=["a", "b", "c"], patients=patients, draws=2000),
        "scikit-learn in a loop": loop}, scale={"scikit-learn in a loop": 100.0},
        note="1,000 images of 400 patients, 3 classes, 2,000 draws; the loop ran 20, times 100")


def phantoms() -> dict[str, Any]:
    """Phantoms a second; there is no peer."""
    return compare("phantoms", "radversary", {"radversary": lambda: pictures(128, 128)}, note="128 images at 128 px")


def stm() -> dict[str, Any]:
    """STM against nothing but the passes that it cannot do without."""
    from radversary.attacks.gradient.stm import StyleTransferMethod
    from radversary.classifiers.networks import build_network
    from radversary.classifiers.torch_module import wrap
    from radversary.core.seeds import Streams

    images, labels, copies = pictures(4, 128), torch.tensor([0, 1, 2, 0]), 20
    surrogate = wrap(build_network("resnet18", classes=3), classes=("a", "b", "c"), size=128)
    attack = StyleTransferMethod(steps=1, copies=copies)
    return compare("stm", "radversary stm", {
        "radversary stm": lambda: attack.perturb(surrogate, images, labels,
                                                 Streams.for_images("abcd", seed=0, step="bench")),
        "its passes alone": passes(surrogate.module, images, labels, copies)},
        scale={"radversary stm": 10.0, "its passes alone": 10.0},
        note="4 images at 128 px, ResNet-18, 10 steps of 20 copies; 1 step, times 10. The passes: a stylizer's "
             "features of 4 images and 80 drawings, a surrogate's 80 forward and backward, 80 in a batch, "
             "on inputs made before")


def passes(surrogate: torch.nn.Module, images: Images, labels: torch.Tensor, copies: int) -> Contender:
    """Return one step's passes through the stylizer and the surrogate, with no attack around them."""
    from radversary.stylization.network import shipped_stylizer

    stylizer, three = shipped_stylizer(), images.expand(-1, 3, -1, -1).contiguous()
    codes = torch.randn(len(images) * copies, 128, generator=generator("bench"))
    inputs, many = three.repeat_interleave(copies, 0), labels.repeat_interleave(copies)

    def run() -> object:
        with torch.no_grad():
            features = stylizer.content(three).repeat_interleave(copies, 0)
            stylizer.paint(features, codes, images.shape[-2:])
        at = inputs.detach().requires_grad_()
        return torch.autograd.grad(torch.nn.functional.cross_entropy(surrogate(at), many), at)

    return run


SUITE: dict[str, Callable[[], dict[str, Any]]] = {
    "stylization": stylization, "similarity": similarity, "edges": edges, "intervals": intervals, "phantoms": phantoms,
    "stm": stm, "screening-resnet18": partial(screening, "resnet18"),
    "screening-resnet50": partial(screening, "resnet50"), "crowded": crowded, "start": start, "forms": forms,
    "peers": peers, "costs": costs, "served-resnet18": partial(served, "resnet18"), "soak": soak}
