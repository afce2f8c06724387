"""``radversary train``: a classifier on one's own images, or the style network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radversary.cli.console import say
from radversary.cli.run import DeviceOption, run_folder

app = typer.Typer(no_args_is_help=True, help="Train a classifier, or the style network that the attacks use.")


@app.command()
def stylizer(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and weights.")] = Path("runs/stylizer"),
    steps: Annotated[int, typer.Option(min=1, max=10**6, help="Gradient steps.")] = 4000,
    batch_size: Annotated[int, typer.Option(min=1, max=2**16, help="Images a step.")] = 8,
    size: Annotated[int, typer.Option(min=32, max=1024, help="Side of the training crops, a multiple of 16.")] = 96,
    phantoms: Annotated[int, typer.Option(min=1, max=10**6, help="Phantom radiographs to train on.")] = 1500,
    style_weight: Annotated[float, typer.Option(min=0, help="Style against content.")] = 3.0,
    vgg: Annotated[str | None, typer.Option(help="VGG-19 weights file (safetensors); default: the best one in the "
                                                 "folder that RADVERSARY_WEIGHTS names.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of everything random.")] = 42,
    device: DeviceOption = "auto",
) -> None:
    """Train the feed-forward style network on phantoms and procedural textures.

    The weights in the package were made by an earlier version of this command (see docs/stylization.md). Stopped, it
    goes on at its last checkpoint.
    """
    from radversary.core.errors import PlanError

    if size % 16:
        raise PlanError(f"--size must be a multiple of 16, got {size}")

    from radversary.core.seeds import derive_seed
    from radversary.data.phantoms import Phantoms
    from radversary.data.stored import StoredTensors
    from radversary.execution.devices import select_device
    from radversary.execution.progress import track
    from radversary.storage.plans import parse_plan
    from radversary.stylization.features import find_weights
    from radversary.training.stylizer.plan import StylizerPlan
    from radversary.training.stylizer.train import train_stylizer

    select_device(device)
    find_weights(vgg)
    plan = parse_plan(StylizerPlan, {"steps": steps, "batch_size": batch_size, "size": size, "vgg": vgg, "seed": seed,
                                     "style_weight": style_weight}, source="the training's options")
    # A seed of their own: these phantoms are never those that a study with the same seed is audited on.
    source = Phantoms(count=phantoms, size=size * 4 // 3, seed=derive_seed(seed, "stylizer contents") % 2**31)
    contents = StoredTensors()
    for batch in track(source.generate(), f"Drawing phantoms at {source.size} px, batch", total=-(-phantoms // 32)):
        contents.add(batch.images)
    path = train_stylizer(contents, plan, out, device=device,
                          about=f"{phantoms} phantoms, {source.size} px, seed {source.seed}")
    say(f"Weights: {path} (copy to src/radversary/stylization/weights/ to ship them)")


@app.command()
def classifier(
    plan: Annotated[Path, typer.Argument(help="A study plan; its data is prepared and its models are trained, "
                                              "nothing is audited.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/<name of the plan>.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Train the models of a plan and stop there; `radversary run` on the same folder goes on."""
    from radversary.storage.plans import read_plan
    from radversary.study.early import refuse_study
    from radversary.study.plan import StudyPlan

    study = read_plan(StudyPlan, plan)
    refuse_study(study)
    folder = out or run_folder(study.name)

    from radversary.study.run import train_models

    for name, model in train_models(study, folder, device=device).items():
        say(f"{name}: {folder / 'models' / name} (sha256 {model.card.sha256[:12]}…)")
