"""Trainings: what was asked for, who runs it, how far it is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trainings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("request_id", sa.String(256), nullable=False, unique=True),
        sa.Column("asked_by", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(1024), nullable=False),
        sa.Column("order", sa.JSON, nullable=False),
        sa.Column("beside", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
        sa.Column("started_at_ms", sa.BigInteger),
        sa.Column("ended_at_ms", sa.BigInteger),
        sa.Column("cancel_asked_at_ms", sa.BigInteger),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("holder", sa.String(256), nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("pinned", sa.JSON),
        sa.Column("progress", sa.JSON),
        sa.Column("version", sa.String(64)),
        sa.Column("error", sa.String(2048), nullable=False),
    )
    op.create_index("trainings_state", "trainings", ["state", "id"])


def downgrade() -> None:
    op.drop_table("trainings")
