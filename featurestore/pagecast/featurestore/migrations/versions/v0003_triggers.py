"""What the retrain triggers have counted, and the requests they made."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "triggers",
        sa.Column("trigger", sa.String(16), primary_key=True),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
    )
    op.create_table(
        "training_requests",
        sa.Column("request_id", sa.String(256), primary_key=True),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("detail", sa.String(1024), nullable=False),
        sa.Column("occurred_at_ms", sa.BigInteger, nullable=False),
        sa.Column("published_at_ms", sa.BigInteger),
    )
    op.create_index("ix_training_requests_occurred_at_ms", "training_requests", ["occurred_at_ms"])


def downgrade() -> None:
    for table in ("training_requests", "triggers"):
        op.drop_table(table)
