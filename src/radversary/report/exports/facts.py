"""What the exports take from a run: its identity, hashes of its models, its scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from radversary.auditing.cell_table import VICTIM
from radversary.auditing.result import AuditResult
from radversary.core.errors import InputError
from radversary.report.html import load_result
from radversary.report.naming import PSEUDONYMISED, published
from radversary.report.result_view import ResultView
from radversary.report.scrubbing import environment_without_values
from radversary.scoring.board import Scoreboard, scoreboard
from radversary.scoring.profile import Profile, load_profile
from radversary.scoring.score import Score
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json

SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Run:
    """A finished run as exports see it.

    Attributes:
        folder: The run folder.
        result: What the audit found, as :func:`radversary.report.naming.published` leaves it.
        pseudonymised: Whether the folder is a copy in which pseudonyms stand for images and patients.
        profile: Of the scores; None for the one that comes with the package.
    """

    folder: Path
    result: AuditResult
    pseudonymised: bool = False
    profile: Profile | None = None

    @classmethod
    def read(cls, folder: Path, profile: Profile | None = None) -> Run:
        """Read a run folder; what names an image, a hospital or a place is not taken over.

        Args:
            folder: The run folder.
            profile: Of the scores; None for the one that comes with the package.

        Raises:
            InputError: It has no result, one that cannot be read, or tables that were changed since.
        """
        found = load_result(folder)
        return cls(folder, published(found), PSEUDONYMISED in found.provenance, profile)

    @cached_property
    def view(self) -> ResultView:
        """Look-ups in the result."""
        return ResultView(self.result)

    @cached_property
    def key(self) -> str:
        """The audit's key; of results of earlier versions, which have none, the hash of ``result.json``."""
        return self.result.provenance.get("audit key") or sha256_file(self.folder / "result.json")

    @cached_property
    def models(self) -> dict[str, str]:
        """Name of each model to its SHA-256, the undefended one first; empty where a run knows none."""
        named = dict.fromkeys([VICTIM, *(item.model for item in self.result.defences.values())])
        stated = {name: self.result.provenance.get(f"{name} sha256", "") for name in named}
        stated[VICTIM] = stated[VICTIM] or self.result.model.get("sha256", "")
        return {name: value if SHA256.fullmatch(value) else "" for name, value in stated.items()
                if value or name == VICTIM}

    @cached_property
    def model_name(self) -> str:
        """What the card calls the undefended model."""
        return self.result.model.get("name") or VICTIM

    @cached_property
    def _board(self) -> Scoreboard:
        return scoreboard(self.result, self.profile or load_profile())

    @property
    def scores(self) -> tuple[Score, ...]:
        """The score of each deployed system, no defence first; empty where :attr:`unscored` says why."""
        return tuple(item.score for item in self._board.systems)

    @property
    def unscored(self) -> str:
        """Why there is no score; empty where there is one."""
        return self._board.reason

    def environment(self) -> Mapping[str, Any]:
        """Read what the run was made with; of the command no value is taken over that may be a path.

        Raises:
            InputError: ``environment.json`` is absent or cannot be read.
        """
        path = self.folder / "environment.json"
        try:
            found = read_json(path)
        except OSError as error:
            raise InputError(f"cannot read {path}, which says what the run was made with: "
                             f"{error.strerror or error}") from error
        except ValueError as error:
            raise InputError(f"{path} is damaged: {error}") from error
        if not isinstance(found, dict) or not isinstance(found.get("packages"), dict):
            raise InputError(f"{path} does not list the packages that the run was made with")
        return environment_without_values(found)
