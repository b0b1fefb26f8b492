"""Experiments: names, salts and arms."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("arms", sa.JSON, nullable=False),
        sa.Column("control", sa.String(32), nullable=False),
        sa.Column("outcome_ms", sa.BigInteger, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger, nullable=False),
        sa.Column("stopped_at_ms", sa.BigInteger),
    )
    op.create_index("ix_experiments_stopped_at_ms", "experiments", ["stopped_at_ms"])


def downgrade() -> None:
    op.drop_table("experiments")
