"""A small calibrated guard in the store, and films for it."""

from __future__ import annotations

import pytest
import torch

from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.imaging.png import encode_png
from radversary.screening.bundle import promise, save_guard
from radversary.screening.fitting import fit_guard
from radversary.service.store.tables import Guard, Screening
from service.conftest import CLASSES


def films(count, *, seed=0, size=48):
    """Random films, encoded."""
    made = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))
    return [encode_png(film) for film in made]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The folder of a guard that was calibrated on 90 films, and what it promises."""
    clean = torch.rand(110, 1, 48, 48, generator=torch.Generator().manual_seed(9))
    victim = wrap(build_network("small-cnn", classes=3, seed=1), classes=CLASSES, size=48, architecture="small-cnn")
    guard = fit_guard(victim, clean[:20], names=("integrity", "energy", "msp"))
    guard = guard.calibrate(clean[20:], [f"p{number}" for number in range(90)], alpha=0.1)
    folder = tmp_path_factory.mktemp("bundle") / "guard"
    save_guard(guard, folder)
    return folder, {"promise": promise(guard.calibrated()), "alpha": 0.1}


@pytest.fixture
def guard(platform, bundle):
    """The id of a registered guard."""
    folder, promised = bundle
    row = Guard(tenant="main", name="guard", model_id="0" * 24, folder=str(folder), promise=promised)
    with platform.database.session() as session:
        session.add(row)
    return row.id


def add_screenings(platform, guard, scores, *, created=1000.0, tenant="main", verdict=None):
    """Note screenings with given scores, as if films had come; a score of None is a refused film."""
    with platform.database.session() as session:
        for place, score in enumerate(scores):
            known = score is not None
            said = verdict or ("refused" if not known else "review" if score > 5 else "pass")
            session.add(Screening(
                tenant=tenant, guard_id=guard, film=f"{place:064d}", verdict=said, score=score, group="all" * known,
                p_value=(0.01 if said == "review" else 0.5) if known else None, milliseconds=10.0 + place,
                prediction="Normal" if known else "", confidence=0.8 if known else None, created=created + place))
