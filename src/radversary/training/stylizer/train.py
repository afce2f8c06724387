"""Training of our own feed-forward style network (``radversary train stylizer``).

The losses are Gatys' on VGG-19 features, relative to their targets, averaged over five depths; the network never sees a
test-pool texture. Needs a VGG-19 weights file at training time only.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save
from torch.utils.data import DataLoader

from radversary.core.seeds import derive_seed, global_seed
from radversary.core.types import Images
from radversary.storage.files import sha256_file, write_json, write_whole
from radversary.stylization.bank import procedural_bank
from radversary.stylization.features import Vgg19, load_vgg19
from radversary.training.loop import calm, make_trainer
from radversary.training.stylizer.plan import StylizerPlan
from radversary.training.stylizer.recipe import Pairs, StylizerRecipe


def train_stylizer(contents: Images, plan: StylizerPlan, out: Path, *, about: str) -> Path:
    """Train the style network; a stopped training goes on from its last checkpoint.

    Args:
        contents: Radiographs, (N, 1 or 3, H, W) in [0, 1], sides at least ``plan.size``.
        plan: The hyper-parameters.
        out: Folder for checkpoints, ``stylizer.safetensors`` and ``stylizer.json``.
        about: What the contents are, for the record: number, size and seed.

    Returns:
        The weights file.

    Raises:
        MissingPartError: No VGG-19 weights.
        PlanError: The checkpoint in ``out`` is of another plan, other contents or other features.
        StorageError: The disk refused.
    """
    vgg = load_vgg19(plan.vgg)
    bank = procedural_bank("train", count=plan.styles, size=plan.size * 3 // 2, seed=derive_seed(plan.seed, "styles"))
    recipe, pairs = seeded_recipe(plan, vgg), Pairs(contents, bank, plan=plan)
    state = out / "last.ckpt"
    inputs = {"plan": plan.model_dump(), "contents": fingerprint(contents), "vgg": vgg.source}
    # Each stretch is a fit of its own around one optimiser: Lightning 2.6 miscounts when it resumes without validation.
    for chunk in range(recipe.restore(state, inputs), -(-plan.steps // pairs.steps)):
        pairs.chunk = chunk
        with calm():
            trainer = make_trainer(epochs=1, precision="auto", device=torch.device("cpu"), callbacks=[], folder=out,
                                   steps=min(pairs.steps, plan.steps - chunk * pairs.steps))
            trainer.fit(recipe, DataLoader(pairs, batch_size=plan.batch_size))
        recipe.keep(state, chunk + 1, inputs)
    weights = {name: value.contiguous() for name, value in recipe.network.state_dict().items()}
    packed = save(weights)
    path = write_whole(out / "stylizer.safetensors", lambda part: part.write_bytes(packed))
    write_json(out / "stylizer.json", {"plan": plan.model_dump(), "contents": about, "sha256": sha256_file(path),
                                       "vgg": vgg.source, **recipe.unseen_losses(pairs)})
    return path


def fingerprint(images: Images) -> str:
    """Return the shape of images and the SHA-256 of their values."""
    return f"{tuple(images.shape)} {sha256(images.numpy().tobytes()).hexdigest()}"


def seeded_recipe(plan: StylizerPlan, vgg: Vgg19) -> StylizerRecipe:
    """Return the recipe with weights that depend on the seed alone; the global generator stays as it was."""
    with global_seed(plan.seed, "weights"):
        return StylizerRecipe(plan, vgg)
