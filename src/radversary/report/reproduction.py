"""What a reader needs to run an audit again: plan, command, machine, packages, hashes of the files that say so."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml
from pydantic import BaseModel

from radversary.auditing.result import AuditResult
from radversary.storage.checksums import sha256_file
from radversary.storage.documents import find_document
from radversary.storage.files import is_file, read_text
from radversary.storage.plain_yaml import LIMIT, parse_yaml

ABSOLUTE = re.compile(r"(?P<before>^|=)(?P<path>(?:[A-Za-z]:[\\/]|[/~\\]).*[\\/].*)$", re.DOTALL)
"""An absolute path, alone or after an option's equals sign."""


class StoredDistribution(BaseModel):
    """An installed distribution, as ``environment.json`` tells of it.

    Attributes:
        name: Its name.
        version: Its version.
        licence: Its licence; empty where it gives none.
    """

    name: str
    version: str
    licence: str = ""


class StoredEnvironment(BaseModel):
    """The fields that are read of ``environment.json``.

    Attributes:
        python: Version of Python.
        system: Operating system.
        machine: Architecture.
        processor: Its processor.
        cores: Its cores.
        threads: Threads of PyTorch.
        gpu: Its GPU; None where there is none.
        packages: Packages that figures rest on, with versions; None where absent.
        distributions: All that is installed; empty in runs of earlier versions.
        command: The command that ran.
    """

    python: str = ""
    system: str = ""
    machine: str = ""
    processor: str = ""
    cores: int | None = None
    threads: int | None = None
    gpu: str | None = None
    packages: dict[str, str | None] = {}
    distributions: tuple[StoredDistribution, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """How to run an audit again.

    Attributes:
        command: The command; empty where nothing says it.
        seed: Of everything random, as the plan has it; empty where there is no plan.
        plan: The plan, absolute paths cut to their last part; empty where there is none that can be read.
        machine: Facts of the machine, by name.
        packages: Distributions with version and licence: all that was installed, or those that figures rest on.
        whole: Whether ``packages`` are all that was installed.
        hashes: SHA-256 of the files of the run folder that say all this.
        provenance: What the result says of its origin, by name, absolute paths cut; likewise the next.
        card: The model's card.
    """

    command: str = ""
    seed: str = ""
    plan: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    packages: tuple[StoredDistribution, ...] = ()
    whole: bool = False
    hashes: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    card: dict[str, str] = field(default_factory=dict)


def reproduction(result: AuditResult, folder: Path) -> Reproduction:
    """Return how an audit is run again, as far as its folder says it.

    Args:
        result: What the audit found.
        folder: The run folder.
    """
    known = find_document(folder / "environment.json", StoredEnvironment) or StoredEnvironment()
    plan = stored_plan(folder / "plan.yaml")
    command = " ".join(map(shown, known.command)) if len(known.command) > 1 else ""
    packages = known.distributions or tuple(StoredDistribution(name=name, version=version)
                                            for name, version in known.packages.items() if version)
    return Reproduction(
        command=command or shortened_words(result.provenance.get("command", "")),
        seed=str(plan.get("seed", "")) if isinstance(plan, dict) else "",
        plan=yaml.safe_dump(shortened_paths(plan), sort_keys=False, allow_unicode=True) if plan else "",
        machine=machine_of(known), packages=packages, whole=bool(known.distributions),
        hashes={name: sha256_file(folder / name) for name in ("plan.yaml", "environment.json")
                if is_file(folder / name)},
        provenance={name: shortened_words(text) for name, text in result.provenance.items()},
        card={name: shortened_words(text) for name, text in result.model.items()})


def shown(argument: str) -> str:
    """Return an argument of a command as a shell takes it, an absolute path cut to its last part.

    Example:
        >>> shown("/data/films"), shown("two words")
        ('…/films', "'two words'")
    """
    short = shortened_path(argument)
    return short if re.fullmatch(r"[\w…./=:@%+,-]+", short) else shlex.quote(short)


def machine_of(known: StoredEnvironment) -> dict[str, str]:
    """Return what is known of the machine, by name."""
    facts = {"Python": known.python, "System": f"{known.system} {known.machine}".strip(), "Processor": known.processor,
             "Cores": known.cores, "Threads of PyTorch": known.threads, "GPU": known.gpu or "none"}
    return {name: str(value) for name, value in facts.items() if value not in ("", None)} if known.python else {}


def stored_plan(path: Path) -> Any:  # noqa: ANN401
    """Return the values of a stored plan; None where there is none that can be read."""
    try:
        return parse_yaml(read_text(path, limit=LIMIT))
    except (OSError, ValueError):
        return None


def shortened_paths(value: Any) -> Any:  # noqa: ANN401
    """Return plain values with absolute paths cut to their last part, since folders may name people and hospitals.

    Example:
        >>> shortened_paths({"root": "/data/st-mary/films", "sizes": [64]})
        {'root': '…/films', 'sizes': [64]}
    """
    if isinstance(value, dict):
        return {key: shortened_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened_paths(item) for item in value]
    return shortened_path(value) if isinstance(value, str) else value


def shortened_path(text: str) -> str:
    """Return a text in which an absolute path, alone or after an equals sign, is cut to its last part.

    Example:
        >>> shortened_path("--root=/data/st-mary/films"), shortened_path("runs/a")
        ('--root=…/films', 'runs/a')
    """
    def last(found: re.Match[str]) -> str:
        path = found["path"]
        kind = PureWindowsPath if "\\" in path or path[1:2] == ":" else PurePosixPath
        return f"{found['before']}…/{kind(path).name}"

    return ABSOLUTE.sub(last, text)


def shortened_words(text: str) -> str:
    """Return a text in which each word that is an absolute path, as :func:`shortened_path` knows it, is cut.

    Example:
        >>> shortened_words("radversary audit --root=/data/st-mary/films /runs/st-mary/a --seed 7")
        'radversary audit --root=…/films …/a --seed 7'
    """
    return " ".join(map(shortened_path, text.split(" ")))
