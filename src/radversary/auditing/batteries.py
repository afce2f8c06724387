"""Batteries: fixed, versioned sets of attacks that a plan names in a word.

A figure of one battery can be compared with another's of the same version and name. Bounds by L∞ are those at which
radiographs are misread, in parts of the displayed range (Han et al. 2021, Nature Communications 12:4315: 0.5/255
already misleads), not the 8/255 of photographs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from radversary.core.errors import UnknownNameError

VERSION: Final = "battery-2026.1"

LINF: Final = (0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 8 / 255)
L2: Final = (0.5, 1.0, 2.0, 4.0)
UNIVERSAL: Final = (2 / 255, 4 / 255, 8 / 255)
SEVERITIES: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
CORRUPTIONS: Final = ("pixelate", "jpeg", "gaussian-noise", "speckle-noise", "impulse-noise", "shot-noise",
                      "gaussian-blur", "brightness-up", "brightness-down", "contrast-up", "contrast-down", "gamma-up",
                      "gamma-down")
FIRST: Final = 24
"""Test images for attacks that take long in ``quick``."""
FEW: Final = 32
"""Test images for the attacks that take longest in the others."""
SOME: Final = 100
"""Test images for attacks that take long in the others."""

Entry = Mapping[str, Any]
"""An attack as a plan writes it."""


class Named(NamedTuple):
    """A battery by name.

    Attributes:
        version: Such as ``battery-2026.1``.
        name: ``quick``, ``standard`` or ``full``.
    """

    version: str
    name: str

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"


def entry(label: str, name: str, strengths: Sequence[float], **more: Any) -> Entry:  # noqa: ANN401
    """Return an attack as a plan writes it."""
    return {"label": label, "name": name, "strengths": tuple(strengths), **more}


def styles(opacities: Sequence[float], k: int, **more: Any) -> Iterator[Entry]:  # noqa: ANN401
    """Yield the attacks on style that need no gradients."""
    yield entry("fourier", "style-transfer", opacities, options={"generator": "fourier"})
    yield entry(f"worst of {k} styles", "worst-style", (0.3,) if len(opacities) < 3 else opacities,
                options={"generator": "fourier", "k": k}, **more)


def corruptions(kinds: Sequence[str], severities: Sequence[float]) -> Iterator[Entry]:
    """Yield natural corruptions."""
    for kind in kinds:
        yield entry(kind, "corruption", severities, options={"kind": kind})


def acquisition(search: str, **more: Any) -> Iterator[Entry]:  # noqa: ANN401
    """Yield what a detector, a display or a positioning could do, optimised."""
    for name in ("bias-field", "curve", "affine", "line-pattern"):
        yield entry(name, name, (0.5, 1.0), options={"search": search}, **more)


def quick() -> Iterator[Entry]:
    """Yield first figures: a minute or two for a hundred films, attacks that take long on :data:`FIRST` of them."""
    yield from styles((0.3, 1.0), 10, images=FIRST)
    yield entry("apgd", "apgd", LINF, images=FIRST, options={"steps": 10})
    yield entry("square", "square", (4 / 255,), images=FIRST, options={"queries": 50})
    yield entry("curve", "curve", (1.0,), images=FIRST, options={"search": "queries", "queries": 20})
    yield from corruptions(("gaussian-noise", "gaussian-blur", "contrast-down"), (0.6,))
    yield entry("noise", "noise", (0.05,))


def standard() -> Iterator[Entry]:
    """Yield what a report is made of: the worst case within L∞ and L2, and one attack of every other family."""
    yield entry("style", "style-transfer", (0.1, 0.3, 0.5, 1.0))
    yield from styles((0.1, 0.3, 1.0), 10)
    yield entry("auto-attack", "auto-attack", LINF)
    yield entry("auto-attack l2", "auto-attack", L2, options={"norm": "l2"})
    yield entry("square", "square", (1 / 255, 4 / 255), images=SOME, options={"queries": 1000})
    yield entry("carlini-wagner", "carlini-wagner", (16.0,), images=SOME, options={"searches": 5, "steps": 200})
    yield entry("hopskipjump", "hopskipjump", (16.0,), images=SOME, options={"queries": 1000})
    yield from universal()
    yield from acquisition("gradient", images=SOME)
    yield from corruptions(CORRUPTIONS, SEVERITIES)
    yield entry("noise", "noise", (0.02, 0.05, 0.1))


def universal() -> Iterator[Entry]:
    """Yield changes that are one for all images."""
    yield entry("universal", "uap", UNIVERSAL)
    yield entry("universal, no data", "uap-data-free", UNIVERSAL)
    for where in ("outside", "inside"):
        yield entry(f"patch {where}", "patch", (1.0,), options={"where": where})


def full() -> Iterator[Entry]:
    """Yield ``standard``, further ways to the smallest change, and thousands of queries."""
    yield from standard()
    yield entry("pgd l2", "pgd-l2", L2, options={"restarts": 5})
    yield entry("deepfool", "deepfool", (16.0,), images=SOME)
    yield entry("ddn", "ddn", (16.0,), images=SOME)
    yield entry("square 10000", "square", LINF, images=SOME, options={"queries": 10_000})
    yield entry("square l2", "square", L2, images=SOME, options={"norm": "l2", "queries": 5000})
    yield entry("simba", "simba", L2, images=SOME, options={"queries": 5000})
    yield entry("zoo", "zoo", (16.0,), images=FEW, options={"queries": 10_000})
    yield entry("hopskipjump linf", "hopskipjump", (32 / 255,), images=FEW, options={"norm": "linf", "queries": 5000})
    yield entry("boundary", "boundary", (16.0,), images=FEW, options={"queries": 10_000})
    for item in acquisition("queries", images=SOME):
        yield {**item, "label": f"{item['label']} by queries"}
    yield entry("style code", "style-code", (0.3, 1.0), images=SOME)
    yield entry("stm", "stm", UNIVERSAL, images=FEW)


BATTERIES: Final = MappingProxyType({"quick": quick, "standard": standard, "full": full})
"""Battery by name: ``quick`` gives first figures in minutes, a report is made of ``standard``, and ``full`` adds
further searches for the smallest change and attacks of thousands of queries."""


AWARE_LINF: Final = LINF[1:]
"""Bounds of attacks that look at what 8-bit files hold at every step."""

AWARE: Final[Mapping[str, tuple[Entry, ...]]] = MappingProxyType({
    "quick": (entry("aware style", "evasive-style", (0.3, 1.0), images=FIRST, options={"k": 10}),
              entry("aware pgd", "evasive-pgd", (2 / 255, 8 / 255), images=FIRST, options={"steps": 20})),
    "standard": (entry("aware style", "evasive-style", (0.1, 0.3, 1.0), images=SOME, options={"tuned": "yes"}),
                 entry("aware pgd", "evasive-pgd", AWARE_LINF, images=SOME),
                 entry("aware features", "evasive-features", AWARE_LINF, images=SOME)),
    "full": (entry("aware style", "evasive-style", (0.1, 0.3, 1.0), images=SOME, options={"tuned": "yes", "k": 50}),
             entry("aware pgd", "evasive-pgd", AWARE_LINF, images=SOME, options={"steps": 200}),
             entry("aware features", "evasive-features", AWARE_LINF, images=SOME, options={"steps": 200}))})
"""Battery's name to the attacks on classifier and detectors together that a guard is evaluated with as well: the joint
loss, the features of another patient's image, and the style that passes."""


def named(text: str) -> Named:
    """Read a battery's name, with its version or without.

    Raises:
        UnknownNameError: No such battery, or none of that version.

    Example:
        >>> str(named("quick"))
        'battery-2026.1/quick'
    """
    version, _, name = text.rpartition("/")
    if version not in ("", VERSION):
        raise UnknownNameError("battery version", version, (VERSION,))
    if name not in BATTERIES:
        raise UnknownNameError("battery", name, BATTERIES)
    return Named(VERSION, name)


def entries(name: str) -> tuple[Entry, ...]:
    """Return the attacks of a battery as a plan writes them.

    Raises:
        UnknownNameError: No such battery.
    """
    return tuple(BATTERIES[named(name).name]())


def with_battery(given: Mapping[str, Any],
                 attacks_of: Callable[[str], Iterable[Entry]] = entries) -> dict[str, Any]:
    """Return a plan's keys with the battery that it names by a word written out whole, before its own attacks.

    A plan that names a version and attacks has been written out already; they stand as they are.

    Args:
        given: Keys of a plan.
        attacks_of: Battery's name to its attacks.

    Raises:
        UnknownNameError: No such battery.
    """
    battery = given.get("battery")
    if not isinstance(battery, str) or ("/" in battery and given.get("attacks")):
        return dict(given)
    own = given.get("attacks") or ()
    attacks = list(chain(attacks_of(battery), own)) if isinstance(own, list | tuple) else own
    return {**given, "battery": str(named(battery)), "attacks": attacks}


def with_aware_attackers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of an audit's plan with the attackers of :data:`AWARE` after its own, if a defence has a guard.

    Those that it has already stand as they are.

    Args:
        given: Keys of a plan; its battery, if any, is written out.

    Example:
        >>> plan = {"battery": "battery-2026.1/quick", "attacks": [], "defences": [{"label": "g", "guard": "detector"}]}
        >>> [item["label"] for item in with_aware_attackers(plan)["attacks"]]
        ['aware style', 'aware pgd']
    """
    battery, attacks, defences = (given.get(key) for key in ("battery", "attacks", "defences"))
    if not (isinstance(battery, str) and isinstance(attacks, list | tuple) and isinstance(defences, list | tuple)
            and any(guarded(item) for item in defences)):
        return dict(given)
    known = {label_of(item) for item in attacks}
    further = [item for item in AWARE[named(battery).name] if item["label"] not in known]
    return {**given, "attacks": [*attacks, *further]}


def guarded(defence: object) -> bool:
    """Return whether a defence, as a plan writes it or as it was read, has a guard."""
    return bool(defence.get("guard") if isinstance(defence, Mapping) else getattr(defence, "guard", None))


def label_of(attack: object) -> object:
    """Return the label of an attack, as a plan writes it or as it was read."""
    return attack.get("label") if isinstance(attack, Mapping) else getattr(attack, "label", None)
