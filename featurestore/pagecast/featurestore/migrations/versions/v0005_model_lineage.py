"""Where a model came from, whether its bundle is still kept, and why an alias was moved."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("code_version", sa.String(64), nullable=False, server_default=""),
        sa.Column("config", sa.JSON, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("verdict", sa.JSON),
        sa.Column("freed_at_ms", sa.BigInteger),
    ):
        op.add_column("models", column)
    for column in (
        sa.Column("forced", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("note", sa.String(1024), nullable=False, server_default=""),
    ):
        op.add_column("alias_moves", column)


def downgrade() -> None:
    for name in ("code_version", "config", "verdict", "freed_at_ms"):
        op.drop_column("models", name)
    for name in ("forced", "note"):
        op.drop_column("alias_moves", name)
