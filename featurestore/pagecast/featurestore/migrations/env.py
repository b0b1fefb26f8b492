"""Run by alembic inside the transaction that `pagecast.featurestore.database.migrate` opened."""

from alembic import context

from pagecast.featurestore.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
)
context.run_migrations()
