"""Alembic's entry: runs the steps on the connection that it is given."""

from __future__ import annotations

from alembic import context

from radversary.service.store import monitoring_tables, retention_tables
from radversary.service.store.tables import Table

TABLES = (Table, monitoring_tables, retention_tables)
"""All modules of tables, so that the metadata knows each."""


def run() -> None:
    """Run the steps."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=Table.metadata,
                      render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file
    run()
