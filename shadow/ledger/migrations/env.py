"""Alembic's entry: runs the steps in the transaction of the connection that :mod:`shadow.ledger.migrate` hands over."""

from alembic import context

from shadow.ledger.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
