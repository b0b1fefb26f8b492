"""Catalog, popularity, models and log positions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _logs()
    _catalog()
    _models()


def downgrade() -> None:
    for table in (
        "aliases",
        "alias_moves",
        "models",
        "catalog_versions",
        "popularity",
        "log_positions",
    ):
        op.drop_table(table)


def _logs() -> None:
    op.create_table(
        "log_positions",
        sa.Column("consumer", sa.String(32), primary_key=True),
        sa.Column("topic_id", sa.String(256), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "popularity",
        sa.Column("entity_id", sa.String(256), primary_key=True),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )


def _catalog() -> None:
    op.create_table(
        "catalog_versions",
        sa.Column("valid_from", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("valid_to", sa.BigInteger),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("item_id", sa.String(256), nullable=False),
        sa.Column("item_index", sa.Integer, nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("retired", sa.Boolean, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("catalog_versions_item", "catalog_versions", ["kind", "item_id", "valid_to"])
    op.create_index("catalog_versions_index", "catalog_versions", ["kind", "item_index"])
    op.create_index("catalog_versions_valid_to", "catalog_versions", ["valid_to"])


def _models() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", sa.String(64), nullable=False, unique=True),
        sa.Column("parent_version", sa.String(64)),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "alias_moves",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("alias", sa.String(32), nullable=False),
        sa.Column("version", sa.String(64), sa.ForeignKey("models.version")),
        sa.Column("moved_at_ms", sa.BigInteger, nullable=False),
        sa.Column("moved_by", sa.String(256), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("predecessor_id", sa.Integer, sa.ForeignKey("alias_moves.id")),
    )
    op.create_index("ix_alias_moves_alias", "alias_moves", ["alias"])
    op.create_table(
        "aliases",
        sa.Column("alias", sa.String(32), primary_key=True),
        sa.Column("version", sa.String(64), sa.ForeignKey("models.version"), nullable=False),
        sa.Column("move_id", sa.Integer, sa.ForeignKey("alias_moves.id"), nullable=False),
    )
