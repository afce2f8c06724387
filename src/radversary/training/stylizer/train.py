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
from radversary.data.batches import tracked_batches
from radversary.execution.devices import select_device
from radversary.imaging.source import ImagesOrSource, source_of
from radversary.storage.checksums import sha256_file
from radversary.storage.files import write_whole
from radversary.storage.json_files import write_json
from radversary.storage.locks import locked
from radversary.stylization.bank import procedural_bank
from radversary.stylization.features import Vgg19, load_vgg19
from radversary.training.loop import calm, make_trainer
from radversary.training.stylizer.plan import StylizerPlan
from radversary.training.stylizer.recipe import Pairs, StylizerRecipe


def train_stylizer(contents: ImagesOrSource, plan: StylizerPlan, out: Path, *, about: str,
                   device: str = "auto") -> Path:
    """Train the style network; a stopped training goes on from its last checkpoint.

    Args:
        contents: Radiographs, (N, 1 or 3, H, W) in [0, 1], sides at least ``plan.size``; or a source of such images.
        plan: The hyper-parameters.
        out: Folder for checkpoints, ``stylizer.safetensors`` and ``stylizer.json``.
        about: What the contents are, for the record: number, size and seed.
        device: ``auto`` or a torch device.

    Returns:
        The weights file.

    Raises:
        MissingPartError: No VGG-19 weights.
        PlanError: No such device here, or the checkpoint in ``out`` is of another plan, contents or features.
        BusyError: Another process trains in the folder.
        StorageError: Writing failed.
    """
    place = select_device(device)
    with locked(out):
        return _trained(contents, plan, out, about=about, device=place)


def _trained(contents: ImagesOrSource, plan: StylizerPlan, out: Path, *, about: str, device: torch.device) -> Path:
    """Train in a folder that nobody else writes."""
    vgg = load_vgg19(plan.vgg, device)
    bank = procedural_bank("train", count=plan.styles, size=plan.size * 3 // 2, seed=derive_seed(plan.seed, "styles"))
    recipe, pairs = seeded_recipe(plan, vgg), Pairs(contents, bank, plan=plan)
    state = out / "last.ckpt"
    inputs = {"plan": plan.model_dump(), "contents": fingerprint(contents), "vgg": vgg.source}
    # Each stretch is a fit of its own around one optimiser: Lightning 2.6 miscounts when it resumes without validation.
    for chunk in range(recipe.restore(state, inputs), -(-plan.steps // pairs.steps)):
        pairs.chunk = chunk
        with calm():
            trainer = make_trainer(epochs=1, precision="auto", device=device, callbacks=[], folder=out,
                                   steps=min(pairs.steps, plan.steps - chunk * pairs.steps))
            trainer.fit(recipe, DataLoader(pairs, batch_size=plan.batch_size))
        recipe.keep(state, chunk + 1, inputs)
    weights = {name: value.cpu().contiguous() for name, value in recipe.network.state_dict().items()}
    packed = save(weights)
    path = write_whole(out / "stylizer.safetensors", lambda part: part.write_bytes(packed))
    write_json(out / "stylizer.json", {"plan": plan.model_dump(), "contents": about, "sha256": sha256_file(path),
                                       "vgg": vgg.source, **recipe.to(device).unseen_losses(pairs)})
    return path


def fingerprint(images: ImagesOrSource) -> str:
    """Return the shape of images and the SHA-256 of their values, a batch of which is read at a time.

    Example:
        >>> fingerprint(torch.zeros(40, 1, 2, 2)).startswith("(40, 1, 2, 2) ")
        True
    """
    total, shape = sha256(), source_of(images).tensor(range(min(1, len(images)))).shape[1:]
    for part in tracked_batches(images, "Hashing contents"):
        total.update(part.numpy().tobytes())
    return f"{(len(images), *shape)} {total.hexdigest()}"


def seeded_recipe(plan: StylizerPlan, vgg: Vgg19) -> StylizerRecipe:
    """Return the recipe with weights that depend on the seed alone; the global generator stays as it was."""
    with global_seed(plan.seed, "weights"):
        return StylizerRecipe(plan, vgg)
