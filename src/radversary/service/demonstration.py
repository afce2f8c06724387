"""Fills a home with a demonstration: two models, audits, a guard, a stream of screenings; all on phantoms.

Run as ``python -m radversary.service.demonstration HOME``, then ``radversary serve --home HOME``. It calls the same
functions as the API and the pages do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from radversary.core.errors import InputError, WorkerError
from radversary.service.access.keys import give_key
from radversary.service.access.scopes import SYSTEM
from radversary.service.catalogue.datasets import register_dataset
from radversary.service.catalogue.jobs import ask_for_audit, ask_for_guard
from radversary.service.catalogue.models import register_model
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.screenings import Guards, screen_film
from radversary.service.jobs.states import ENDED, State
from radversary.service.platform import Platform
from radversary.service.serving import Crew, worker_command
from radversary.service.settings import Settings
from radversary.service.store.database import owned
from radversary.service.store.tables import Guard, Job

if TYPE_CHECKING:
    from radversary.core.types import Images

SIZE: Final = 64
"""Side of the phantoms in pixels."""

NAMES: Final[Mapping[str, str]] = {"victim": "Chest reader", "robust": "Chest reader, trained on attacks"}


def plan(images: int, epochs: int) -> dict[str, Any]:
    """Return the plan of the training: an ordinary model, and one that is trained on attacked images too.

    Args:
        images: Phantoms to train on.
        epochs: Of each training.
    """
    phase = {"name": "all", "trunk": "trained", "epochs": epochs, "learning_rate": 0.004, "schedule": "one-cycle",
             "weights": "best"}
    later = {**phase, "epochs": max(1, epochs // 4), "learning_rate": 0.002, "weights": "last"}
    network = {"architecture": "small-cnn", "batch_size": 32}
    return {"name": "demonstration", "seed": 42, "attacks": [{"label": "step", "name": "fgsm", "strengths": [0.02]}],
            "data": {"source": {"name": "phantoms", "options": {"count": images, "size": SIZE, "seed": 7}},
                     "size": SIZE, "channels": 1},
            "models": {"victim": {"training": {**network, "start": "random", "phases": [phase]}},
                       "robust": {"training": {**network, "start": "victim", "phases": [later]},
                                  "robust": {"epsilon": 0.0157, "share": 0.5, "norm": "shared", "keep": "clean"}}}}


def fill(settings: Settings, *, tell: Callable[[str], object], images: int = 2400, epochs: int = 32,
         audited: int = 150, audit: Mapping[str, Any] | None = None, films: int = 40) -> str:
    """Fill a home with a demonstration.

    Args:
        settings: Where; nothing may have been done there before.
        tell: Receives what is done, in lines.
        images: Phantoms that the models are trained on.
        epochs: Of the training.
        audited: Phantoms that are audited on.
        audit: The plan of the audits; the preset ``quick`` where None.
        films: Films that are screened.

    Returns:
        An administrator's key.

    Raises:
        InputError: The home is not empty.
        WorkerError: A job failed.
    """
    if settings.home.is_dir() and any(settings.home.iterdir()):
        raise InputError(f"{settings.home} is not empty: give another folder for the demonstration")
    platform = Platform.open(settings)
    crew = Crew(worker_command(settings), 1)
    crew.start()
    try:
        with platform.database.session() as session:
            token = give_key(session, SYSTEM, "administrator", ["administrator"]).token
        tell("two small networks are trained")
        models = [register_model(platform, SYSTEM, name=NAMES[name], path=str(path)).id
                  for name, path in trained(settings, images, epochs).items()]
        data = [register_dataset(platform, SYSTEM, name=name, source={"name": "phantoms", "options": {
            "count": count, "size": SIZE, "seed": seed}}).id
            for name, count, seed in (("Phantoms to audit on", audited, 11), ("Clean phantoms", 4 * audited, 12))]
        work(platform, models, data, audit, tell)
        tell(f"{films} films are screened")
        screened(platform, films)
    finally:
        crew.stop()
        platform.close()
    return token


def trained(settings: Settings, images: int, epochs: int) -> dict[str, Path]:
    """Train the models; return name to folder."""
    from radversary.storage.plans import parse_plan
    from radversary.study.plan import StudyPlan
    from radversary.study.run import train_models

    folder = settings.folder("tenants", SYSTEM.tenant, "demonstration")
    study = parse_plan(StudyPlan, plan(images, epochs), source="the plan of the demonstration")
    return {name: folder / "models" / name for name in train_models(study, folder, device=settings.device)}


def work(platform: Platform, models: list[str], data: list[str], audit: Mapping[str, Any] | None,
         tell: Callable[[str], object]) -> None:
    """Audit both models, make a guard of the first, and audit it with its guard."""
    for model in models:
        done(platform, ask_for_audit(platform, SYSTEM, model=model, dataset=data[0], plan=audit), tell)
    done(platform, ask_for_guard(platform, SYSTEM, model=models[0], dataset=data[1], alpha=0.05,
                                 title="Guard of the chest reader"), tell)
    with platform.database.session() as session:
        guard = page_of(session, Guard, SYSTEM.tenant).items[0].id
    done(platform, ask_for_audit(platform, SYSTEM, model=models[0], dataset=data[0], plan=audit, guard=guard,
                                 title="Chest reader with its guard"), tell)


def done(platform: Platform, job: Job, tell: Callable[[str], object]) -> None:
    """Wait until a job is done.

    Raises:
        WorkerError: It failed.
    """
    tell(f"{job.kind}: {job.title}")
    while True:
        with platform.database.session() as session:
            found = owned(session, Job, job.id, SYSTEM.tenant)
        if found.state in ENDED:
            break
        time.sleep(0.3)
    if found.state != State.DONE:
        raise WorkerError(f"{job.title}: {found.error}")


def screened(platform: Platform, count: int) -> None:
    """Screen phantoms, every fourth of them with noise over it."""
    from radversary.imaging.png import encode_png

    guards = Guards(platform.settings.device)
    with platform.database.session() as session:
        guard = page_of(session, Guard, SYSTEM.tenant).items[0].id
    for image in films_of(count):
        screen_film(platform, guards, SYSTEM, guard, encode_png(image))


def films_of(count: int) -> Iterator[Images]:
    """Yield phantoms (1, S, S), every fourth with noise."""
    import torch

    from radversary.data.phantoms import Phantoms

    generator, number = torch.Generator().manual_seed(5), 0
    for batch in Phantoms(count=count, size=SIZE, seed=23).generate():
        for image in batch.images:
            number += 1
            noise = 0.06 * torch.randn(image.shape, generator=generator) if number % 4 == 0 else 0.0
            yield (image + noise).clamp(0, 1)


def main() -> int:
    """Fill the home that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    try:
        token = fill(Settings(home=parser.parse_args().home), tell=lambda line: sys.stderr.write(f"→ {line}\n"))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"sign in as administrator with this key, which is shown this once: {token}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
