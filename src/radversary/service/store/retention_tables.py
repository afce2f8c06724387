"""The table of what is to be removed, and of what was."""

from __future__ import annotations

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from radversary.service.store.tables import BIG, Owned


class Purge(Owned):
    """A tree of files that is to be removed, or was; noted in the transaction that decides it.

    Attributes:
        tree: The tree's name: ``tenants/T/uploads/ID`` or ``jobs/ID``.
        kind: What of it goes (:class:`radversary.service.retention.trees.Kind`).
        actor: Who had it removed: a key's id, or ``system``.
        files: Files and objects that were there; None before they were counted.
        size: Their bytes; None before they were counted.
        done: When nothing was left; None before.
        line: Number of the audit log's line that says so; None before.
    """

    __tablename__ = "purges"
    __table_args__ = (UniqueConstraint("tree", "kind", name="uq_purges_tree"),)

    tree: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    actor: Mapped[str] = mapped_column(String(80))
    files: Mapped[int | None]
    size: Mapped[int | None] = mapped_column(BIG)
    done: Mapped[float | None] = mapped_column(index=True)
    line: Mapped[int | None] = mapped_column(BIG, index=True)
