"""``radversary list``: registered parts by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from radversary.cli.console import Table, show_whole

TRAINABLE, CLASSIFIERS, ATTACKS = "trainable", "classifiers", "attacks"


def list_parts(
    family: Annotated[str | None, typer.Argument(help="attacks, generators, detectors, reference-free, transforms, "
                                                 "datasets, classifiers, architectures or trainable; default: "
                                                 "all.")] = None,
) -> None:
    """List the registered parts, those of other packages included, and what a plan can train by which key.

    Of each kind of model, `list classifiers` also says how much of it an attacker sees; of each attack, `list attacks`
    says that, its bound, its tasks, the most passes through the model an image at its default options (an answer is one
    pass, a gradient another) and its ids in NIST AI 100-2 and MITRE ATLAS.
    """
    from radversary.core.errors import UnknownNameError
    from radversary.study.trainable import trainable

    known = families()
    if family is not None and family not in (*known, TRAINABLE):
        raise UnknownNameError("family", family, (*known, TRAINABLE))
    if family == CLASSIFIERS:
        show_whole(kinds_of_model(known[CLASSIFIERS]))
        return
    if family == ATTACKS:
        show_whole(attacks_table(known[ATTACKS]))
        return
    table = Table()
    for column in ("family", "name", "what it is"):
        table.add_column(column)
    for name, registry in known.items():
        for part, text in summaries(registry) if family in (None, name) else ():
            table.add_row(name, part, text)
    for key, text in trainable().items() if family in (None, TRAINABLE) else ():
        table.add_row(TRAINABLE, key, text)
    show_whole(table)


def families() -> dict[str, Any]:
    """Return the registries by the names that `radversary list` knows them by."""
    from radversary.attacks.registry import ATTACKS as KINDS_OF_ATTACK
    from radversary.classifiers.networks import NETWORKS
    from radversary.classifiers.registry import CLASSIFIERS as KINDS
    from radversary.data.registry import DATASETS
    from radversary.defenses.registry import TRANSFORMS
    from radversary.detectors.registry import DETECTORS, REFERENCE_FREE
    from radversary.stylization.registry import GENERATORS

    return {ATTACKS: KINDS_OF_ATTACK, "generators": GENERATORS, "detectors": DETECTORS,
            "reference-free": REFERENCE_FREE, "transforms": TRANSFORMS, "datasets": DATASETS, CLASSIFIERS: KINDS,
            "architectures": NETWORKS}


def summaries(registry: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield each part of a registry with its first sentence, or with why that cannot be read.

    Parts are not imported for it, so that a library that one lacks hides no other.
    """
    from radversary.core.errors import MissingPartError

    for name in registry.names():
        try:
            yield name, registry.declared(name).summary
        except MissingPartError as error:
            yield name, str(error)


def kinds_of_model(registry: Any) -> Table:  # noqa: ANN401
    """Return the kinds of model, what an attacker sees of each, and what they are."""
    from radversary.classifiers.kinds import access_of

    table = Table()
    for column in ("kind", "access", "what it is"):
        table.add_column(column)
    for name, text in summaries(registry):
        table.add_row(name, access_of(name), text)
    return table


def attacks_table(registry: Any) -> Table:  # noqa: ANN401
    """Return the attacks with access, bound, tasks, cost and ids; of other packages what they are."""
    from radversary.attacks.catalogue import Row, catalogue

    table, known, nothing = Table(), catalogue(), Row("", "", "", "", "", "")
    for column in ("attack", "access", "bound", "tasks", "passes", "NIST AI 100-2", "MITRE ATLAS", "what it is"):
        table.add_column(column)
    for name, text in summaries(registry):
        table.add_row(name, *known.get(name, nothing), text)
    return table
