"""What all results have in common: frozen records, a schema version, one way to be written and read."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from radversary.auditing.upgrade import SCHEMA_VERSION, upgraded
from radversary.storage.documents import read_document
from radversary.storage.files import write_text

LIMIT = 256 * 2**20
"""Bytes of a stored result at most."""


class Record(BaseModel):
    """A frozen part of a result; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class ResultDocument(Record):
    """A result as it lies in a run folder.

    Attributes:
        kind: What it is, with its article, for errors.
        remedy: How it is made again.
        schema_version: The schema that it follows; results of earlier versions are upgraded when they are read.
    """

    kind: ClassVar[str]
    remedy: ClassVar[str]
    schema_version: Literal[4] = SCHEMA_VERSION

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, whole or not at all."""
        return write_text(Path(path), self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a result that :meth:`save` of this or of an earlier version wrote.

        Raises:
            DataError: It is absent, damaged, or of a newer version.
        """
        return read_document(Path(path), cls, what=cls.kind, remedy=cls.remedy, limit=LIMIT, constants=True,
                             upgrade=upgraded)
