"""``radversary list``: registered parts by name."""

from __future__ import annotations

from typing import Annotated

import typer

from radversary.cli.console import Table, show_whole

TRAINABLE = "trainable"


def list_parts(
    family: Annotated[str | None, typer.Argument(help="attacks, generators, detectors, reference-free, transforms, "
                                                 "datasets, classifiers, architectures or trainable; default: "
                                                 "all.")] = None,
) -> None:
    """List the registered parts, those of other packages included, and what a plan can train by which key."""
    from radversary.attacks.registry import ATTACKS
    from radversary.classifiers.networks import NETWORKS
    from radversary.classifiers.registry import CLASSIFIERS
    from radversary.core.errors import UnknownNameError
    from radversary.data.registry import DATASETS
    from radversary.defenses.registry import TRANSFORMS
    from radversary.detectors.registry import DETECTORS, REFERENCE_FREE
    from radversary.study.trainable import trainable
    from radversary.stylization.generators import GENERATORS

    families = {"attacks": ATTACKS, "generators": GENERATORS, "detectors": DETECTORS,
                "reference-free": REFERENCE_FREE, "transforms": TRANSFORMS, "datasets": DATASETS,
                "classifiers": CLASSIFIERS, "architectures": NETWORKS}
    if family is not None and family not in (*families, TRAINABLE):
        raise UnknownNameError("family", family, (*families, TRAINABLE))
    table = Table()
    for column in ("family", "name", "what it is"):
        table.add_column(column)
    for name, registry in families.items():
        for part in registry.names() if family in (None, name) else []:  # type: ignore[attr-defined]
            text = (registry.get(part).__doc__ or "").strip().splitlines()  # type: ignore[attr-defined]
            table.add_row(name, part, text[0] if text else "")
    for key, text in trainable().items() if family in (None, TRAINABLE) else ():
        table.add_row(TRAINABLE, key, text)
    show_whole(table)
