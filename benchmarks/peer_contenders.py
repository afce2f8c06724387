"""The same attacks of radversary, foolbox, ART and torchattacks, each as its users would run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peer_victim import CLASSES, SIDE, Arena
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.registry import ATTACKS
from radversary.core.seeds import Streams
from radversary.core.types import Images

LINF, L2, STEPS, QUERIES = 0.1, 1.0, 100, 1000


class Contender(NamedTuple):
    """An attack of some framework.

    Attributes:
        who: The framework.
        run: Returns attacked images.
    """

    who: str
    run: Callable[[], Images]


class Contest(NamedTuple):
    """Attacks that are compared.

    Attributes:
        name: What they are.
        setting: Bound, steps or queries.
        images: How many.
        measure: ``left``, the share still read rightly, or ``distance``.
        contenders: Ours first.
    """

    name: str
    setting: str
    images: int
    measure: str
    contenders: tuple[Contender, ...]


class Single(nn.Module):
    """A network that takes what peers give, in double precision too."""

    def __init__(self, made: nn.Module) -> None:
        super().__init__()
        self.made = made

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return self.made(images.float())


def ours(arena: Arena, name: str, **options: Any) -> Contender:  # noqa: ANN401
    """Return an attack of this project, in continuous grey levels as the peers have them."""
    attack = ATTACKS.create(name, **options)

    def run() -> Images:
        streams = Streams.for_images(arena.names, seed=0, step="peers")
        return attack.perturb(metered(arena.victim, Ledger()), arena.images, arena.labels, streams)

    return Contender("radversary", run)


@cache
def art_model(made: nn.Module) -> Any:  # noqa: ANN401
    """Return ART's wrapper of a network."""
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(Single(made), nn.CrossEntropyLoss(), (1, SIDE, SIDE), len(CLASSES), clip_values=(0.0, 1.0),
                             device_type="cpu")


def by_art(arena: Arena, name: str, **options: Any) -> Contender:  # noqa: ANN401
    """Return an attack of ART."""
    from art.attacks import evasion

    attack = getattr(evasion, name)(art_model(arena.network), **options)
    wanted = np.eye(len(CLASSES), dtype=np.float32)[arena.labels.numpy()]
    return Contender("ART", lambda: torch.from_numpy(attack.generate(arena.images.numpy(), y=wanted)).float())


def by_foolbox(arena: Arena, name: str, epsilon: float | None = None, **options: Any) -> Contender:  # noqa: ANN401
    """Return an attack of foolbox."""
    import foolbox

    model = foolbox.PyTorchModel(Single(arena.network).eval(), bounds=(0, 1), device="cpu")
    call = {"starting_points": starts(arena)} if options.pop("started", None) else {}
    attack = getattr(foolbox.attacks, name)(**options)
    return Contender("foolbox", lambda: attack(model, arena.images, arena.labels, epsilons=epsilon, **call)[1])


def starts(arena: Arena) -> Images:
    """Return for each image a random one that its label is not read of."""
    found, drawn = arena.images.clone(), torch.Generator().manual_seed(0)
    for place, label in enumerate(arena.labels):
        while arena.victim.predict(found[place:place + 1]) == label:
            found[place] = torch.rand(found[place].shape, generator=drawn)
    return found


def by_torchattacks(arena: Arena, name: str, **options: Any) -> Iterator[Contender]:  # noqa: ANN401
    """Yield an attack of torchattacks, where ``RADVERSARY_PEERS`` names a folder with it.

    It asks for versions of its dependencies that no longer fit: ``pip install --no-deps --target FOLDER torchattacks``.
    """
    if folder := os.environ.get("RADVERSARY_PEERS"):
        if folder not in sys.path:
            sys.path.append(folder)
        import torchattacks

        attack = getattr(torchattacks, name)(Single(arena.network).eval(), **options)
        yield Contender("torchattacks", lambda: attack(arena.images, arena.labels).detach())


def contests(whole: Arena, wide: Arena) -> Iterator[tuple[Contest, Arena]]:
    """Yield what is compared, each with what it is compared on.

    Args:
        whole: The small victim.
        wide: The one of the size that reads films.
    """
    yield from ((item, whole.first(item.images)) for item in on_small(whole))
    yield from ((item, wide.first(item.images)) for item in on_wide(wide))


def on_small(whole: Arena) -> Iterator[Contest]:
    """Yield all attacks on a small victim, where each one's own work weighs most."""
    yield from bounded(whole)
    yield from smallest(whole.first(48))
    yield from questions(whole)


def on_wide(arena: Arena) -> Iterator[Contest]:
    """Yield what every audit runs on a ResNet-18, where the victim's passes weigh most."""
    n = len(arena.images)
    yield pgd(arena, ", ResNet-18")
    yield Contest("APGD, cross-entropy, Linf, ResNet-18", f"ε {LINF}, 40 steps", n, "left", (
        ours(arena, "apgd", epsilon=LINF, steps=40),
        *by_torchattacks(arena, "APGD", norm="Linf", eps=LINF, steps=40, n_restarts=1, loss="ce", seed=0)))
    yield Contest("APGD, targeted ratio, Linf, ResNet-18", f"ε {LINF}, 20 steps, 9 targets", n, "left", (
        ours(arena, "apgd-t", epsilon=LINF, steps=20),
        *by_torchattacks(arena, "APGDT", norm="Linf", eps=LINF, steps=20, n_restarts=1, n_classes=10)))
    yield Contest("HopSkipJump, L2, ResNet-18", "about 1,000 questions", n, "distance", (
        ours(arena, "hopskipjump", queries=1000),
        by_foolbox(arena, "HopSkipJumpAttack", steps=5, started="yes")))


def pgd(arena: Arena, where: str = "") -> Contest:
    """Return the comparison of PGD by L∞."""
    n = len(arena.images)
    return Contest(f"PGD, L∞{where}", f"ε {LINF}, 40 steps", n, "left", (
        ours(arena, "pgd", epsilon=LINF, steps=40),
        by_foolbox(arena, "LinfPGD", LINF, steps=40, rel_stepsize=2.5 / 40),
        by_art(arena, "ProjectedGradientDescentPyTorch", norm=np.inf, eps=LINF, eps_step=2.5 * LINF / 40, max_iter=40,
               num_random_init=1, batch_size=n, verbose=False),
        *by_torchattacks(arena, "PGD", eps=LINF, alpha=2.5 * LINF / 40, steps=40)))


def bounded(arena: Arena) -> Iterator[Contest]:
    """Yield white-box attacks within a bound."""
    n = len(arena.images)
    yield pgd(arena)
    for norm, epsilon, theirs, art in (("linf", LINF, "Linf", np.inf), ("l2", L2, "L2", 2)):
        setting = f"ε {epsilon}, {STEPS} steps"
        yield Contest(f"APGD, cross-entropy, {theirs}", setting, n, "left", (
            ours(arena, "apgd", norm=norm, epsilon=epsilon, steps=STEPS),
            *by_torchattacks(arena, "APGD", norm=theirs, eps=epsilon, steps=STEPS, n_restarts=1, loss="ce", seed=0),
            by_art(arena, "AutoProjectedGradientDescent", norm=art, eps=epsilon, eps_step=2 * epsilon, max_iter=STEPS,
                   nb_random_init=1, loss_type="cross_entropy", batch_size=n, verbose=False)))
        yield Contest(f"APGD, targeted ratio, {theirs}", f"{setting}, 9 targets", n, "left", (
            ours(arena, "apgd-t", norm=norm, epsilon=epsilon, steps=STEPS),
            *by_torchattacks(arena, "APGDT", norm=theirs, eps=epsilon, steps=STEPS, n_restarts=1, n_classes=10)))
        yield Contest(f"FAB, {theirs}", f"{setting}, 9 targets", n, "left", (
            ours(arena, "fab", norm=norm, epsilon=epsilon, steps=STEPS),
            *by_torchattacks(arena, "FAB", norm=theirs, eps=epsilon, steps=STEPS, n_restarts=1, n_classes=10,
                             multi_targeted=True)))
        yield Contest(f"Square, {theirs}", f"ε {epsilon}, {QUERIES} queries", n, "left", (
            ours(arena, "square", norm=norm, epsilon=epsilon, queries=QUERIES),
            *by_torchattacks(arena, "Square", norm=theirs, eps=epsilon, n_queries=QUERIES, seed=0),
            by_art(arena, "SquareAttack", norm=art, eps=epsilon, max_iter=QUERIES, batch_size=n, verbose=False)))


def smallest(arena: Arena) -> Iterator[Contest]:
    """Yield white-box attacks that look for the smallest change."""
    n = len(arena.images)
    yield Contest("Carlini-Wagner, L2", "5 searches of 100 steps; ART's defaults", n, "distance", (
        ours(arena, "carlini-wagner", searches=5, steps=100),
        by_foolbox(arena, "L2CarliniWagnerAttack", binary_search_steps=5, steps=100),
        by_art(arena, "CarliniL2Method", batch_size=n, verbose=False)))
    yield Contest("Carlini-Wagner, L2, in few steps", "1 search of 20 steps; ART's defaults", n, "distance", (
        ours(arena, "carlini-wagner", searches=1, steps=20),
        by_art(arena, "CarliniL2Method", batch_size=n, verbose=False)))
    yield Contest("DeepFool, L2", "50 steps", n, "distance", (
        ours(arena, "deepfool"), by_foolbox(arena, "L2DeepFoolAttack"),
        by_art(arena, "DeepFool", max_iter=50, batch_size=n, verbose=False)))
    yield Contest("DDN, L2", "100 steps", n, "distance", (
        ours(arena, "ddn"), by_foolbox(arena, "DDNAttack", steps=100)))


def questions(whole: Arena) -> Iterator[Contest]:
    """Yield attacks that ask for scores or decisions and look for the smallest change."""
    few, some = whole.first(8), whole.first(24)
    yield Contest("HopSkipJump, L2", "about 1,000 questions", len(some.images), "distance", (
        ours(some, "hopskipjump", queries=1000),
        by_foolbox(some, "HopSkipJumpAttack", steps=5, started="yes"),
        by_art(some, "HopSkipJump", max_iter=5, max_eval=10_000, init_eval=100, batch_size=64, verbose=False)))
    yield Contest("HopSkipJump, L2, in few questions", "300 questions; about 1,000", len(some.images), "distance", (
        ours(some, "hopskipjump", queries=300),
        by_foolbox(some, "HopSkipJumpAttack", steps=5, started="yes"),
        by_art(some, "HopSkipJump", max_iter=5, max_eval=10_000, init_eval=100, batch_size=64, verbose=False)))
    yield Contest("ZOO, L2", "2,058 queries", len(few.images), "distance", (
        ours(few, "zoo", queries=2058),
        by_art(few, "ZooAttack", max_iter=8, binary_search_steps=1, initial_const=10.0, abort_early=False,
               use_resize=False, nb_parallel=128, variable_h=0.01, batch_size=1, verbose=False)))
