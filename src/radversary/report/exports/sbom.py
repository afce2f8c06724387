"""Software bill of materials of a run: CycloneDX 1.6 in JSON (OWASP CycloneDX, ECMA-424, 1st edition, 2024).

It lists what the run was made with, as the run's own ``environment.json`` says, and not what is installed where the
bill is written. The same run gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from radversary.auditing.cell_table import VICTIM
from radversary.core.errors import InputError, MissingPartError
from radversary.core.text import first_fault, printable
from radversary.report.exports.facts import SHA256, Run
from radversary.storage.documents import Document

if TYPE_CHECKING:
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType

FILE: Final = "sbom.cdx.json"
NAMESPACE: Final = uuid.UUID("5d8cb1a4-3d2b-4f5c-9d56-5d1f2b7c6a10")
"""Of the serial numbers, which are UUIDs of version 5 (RFC 9562)."""
NOT_WHOLE: Final = ("environment.json of this run names {count} packages and not all that were installed, as audits "
                    "before it did not list them: the bill is incomplete, run the audit again for a whole one")


class Listed(Document):
    """One distribution as ``environment.json`` lists it.

    Attributes:
        name: Its normalised name.
        version: Its version.
        licence: SPDX expression or a name; empty where it is not known.
        requires: Names of the listed ones that it needs.
    """

    name: str
    version: str
    licence: str = ""
    requires: tuple[str, ...] = ()


def bill_of_materials(run: Run) -> tuple[str, list[str]]:
    """Return the bill of a run as CycloneDX JSON, and what is missing in it.

    Args:
        run: The run.

    Returns:
        The document, and sentences on gaps.

    Raises:
        InputError: The run's ``environment.json`` is absent or damaged.
        MissingPartError: cyclonedx-python-lib is not installed.
    """
    try:
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError as error:
        raise MissingPartError("a bill of materials needs cyclonedx-python-lib: pip install 'radversary[sbom]'"
                               ) from error

    environment = run.environment()
    listed, gaps = distributions_of(environment)
    gaps += [f"model {name}: its SHA-256 is not known to the run" for name, value in run.models.items() if not value]
    document = json.loads(JsonV1Dot6(bill(run, environment, listed, gaps)).output_as_string())
    if "time" not in environment:  # the library states when it wrote; the run does not say when it was made
        document["metadata"].pop("timestamp", None)
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", gaps


def distributions_of(environment: Mapping[str, Any]) -> tuple[list[Listed], list[str]]:
    """Return the distributions of an environment, and a sentence where they are not all.

    Args:
        environment: Content of ``environment.json``.

    Raises:
        InputError: It lists them in a form that cannot be read.

    Example:
        >>> found, gaps = distributions_of({"packages": {"torch": "2.6.0", "monai": None}})
        >>> [item.name for item in found], len(gaps)
        (['torch'], 1)
    """
    packages = {name: version for name, version in environment["packages"].items() if version}
    rows = environment.get("distributions")
    try:
        if rows is None:
            return ([Listed(name=name, version=version) for name, version in sorted(packages.items())],
                    [NOT_WHOLE.format(count=len(packages))])
        return sorted((Listed.model_validate(row) for row in rows), key=lambda item: item.name), []
    except (ValidationError, TypeError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"environment.json does not list distributions with name and version: {fault}") from error


def bill(run: Run, environment: Mapping[str, Any], listed: Sequence[Listed], gaps: Sequence[str]) -> Bom:
    """Return the bill as the library holds it.

    Args:
        run: The run; its audit is what the bill is of.
        environment: Content of its ``environment.json``.
        listed: The distributions.
        gaps: What is missing, which becomes properties.
    """
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import ComponentType

    facts = {"audit key": run.key, **run.result.provenance, "battery": run.result.battery or "",
             "command": " ".join(map(str, environment.get("command", ())))}
    audit = component(f"audit: {run.result.name}", "audit", ComponentType.APPLICATION, facts=facts)
    made = Bom(serial_number=uuid.uuid5(NAMESPACE, json.dumps([run.key, run.models, environment], sort_keys=True)),
               metadata=BomMetaData(component=audit, timestamp=moment(environment),
                                    properties=[Property(name="radversary:gap", value=gap) for gap in gaps]))
    software = {item.name: package(item) for item in listed}
    subjects = [*model_components(run), test_set(run)]
    for part in (*subjects, *machine(environment), *software.values()):
        made.components.add(part)
    for item in listed:
        made.register_dependency(software[item.name], [software[name] for name in item.requires if name in software])
    root = [software["radversary"]] if "radversary" in software else []
    made.register_dependency(audit, [*root, *subjects])
    return made


def moment(environment: Mapping[str, Any]) -> datetime | None:
    """Return when the run was finished; None where it does not say.

    Raises:
        InputError: It says no time.
    """
    stated = environment.get("time")
    try:
        return None if stated is None else datetime.fromisoformat(stated)
    except (TypeError, ValueError) as error:
        raise InputError(f"environment.json states no time, got {printable(str(stated))[:40]!r}") from error


def package(item: Listed) -> Component:
    """Return the component of a distribution, with its package URL and the licence that it declares."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    url = PackageURL("pypi", name=item.name, version=item.version)
    licences = [LicenseFactory().make_from_string(printable(item.licence))] if item.licence else []
    return Component(name=item.name, version=item.version, bom_ref=url.to_string(), purl=url, licenses=licences)


def machine(environment: Mapping[str, Any]) -> Iterator[Component]:
    """Yield Python and the operating system as the run had them."""
    from cyclonedx.model.component import ComponentType

    yield component("python", "python", ComponentType.PLATFORM, version=str(environment.get("python") or ""))
    yield component(str(environment.get("system") or "unknown"), "operating-system", ComponentType.OPERATING_SYSTEM,
                    facts={name: str(environment.get(name) or "") for name in ("machine", "processor", "gpu")})


def model_components(run: Run) -> Iterator[Component]:
    """Yield each model of the run with its hash; of the undefended one what its card says too."""
    from cyclonedx.model.component import ComponentType

    card = run.result.model
    for name, value in run.models.items():
        known = {key: text for key, text in card.items() if key not in ("name", "sha256", "licence")}
        yield component(run.model_name if name == VICTIM else name, f"model:{name}",
                        ComponentType.MACHINE_LEARNING_MODEL, version=value[:12], sha256=value,
                        facts={"role": name, **known} if name == VICTIM else {"role": name},
                        licence=card.get("licence", "") if name == VICTIM else "")


def test_set(run: Run) -> Component:
    """Return the held-out test images as data with their hash; no image is in it."""
    from cyclonedx.model.component import ComponentType

    data = run.result.data
    counts = {f"images of {name}": str(count) for name, count in data.counts.get("test", {}).items()}
    return component(data.source or "held-out test images", "test-set", ComponentType.DATA,
                     version=data.sha256[:12], sha256=data.sha256, facts={"part": "held-out test images", **counts})


def component(name: str, reference: str, kind: ComponentType, *, version: str = "", sha256: str = "",
              licence: str = "", facts: Mapping[str, str] | None = None) -> Component:
    """Return a component that is no distribution.

    Args:
        name: Its name.
        reference: By which other parts of the bill know it.
        kind: Its type.
        version: Its version; none where empty.
        sha256: Its hash; none where it is no SHA-256.
        licence: Its licence; none where empty.
        facts: Further properties, of which empty ones are left out.
    """
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component

    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if SHA256.fullmatch(sha256) else []
    licences = [LicenseFactory().make_from_string(printable(licence))] if licence else []
    return Component(name=printable(name), type=kind, bom_ref=reference, version=printable(version) or None,
                     hashes=hashes, licenses=licences, properties=properties(facts or {}))


def properties(facts: Mapping[str, str]) -> list[Property]:
    """Return facts as properties in a namespace of our own."""
    from cyclonedx.model import Property

    return [Property(name=f"radversary:{printable(name)}", value=printable(value))
            for name, value in facts.items() if value]
