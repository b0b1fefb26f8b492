"""Erasures and the salt of their hashes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("receipt_id", sa.String(256), nullable=False),
        sa.Column("user_hash", sa.String(64), nullable=False),
        sa.Column("topic_id", sa.String(256), nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("requested_at_ms", sa.BigInteger, nullable=False),
        sa.Column("completed_at_ms", sa.BigInteger),
        sa.Column("rows_erased", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("receipt_id", "topic_id"),
    )
    op.create_index("ix_erasures_user_hash", "erasures", ["user_hash"])


def downgrade() -> None:
    for table in ("erasures", "secrets"):
        op.drop_table(table)
