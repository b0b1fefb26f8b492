"""Which records of dead letters were sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dead_letter_replays",
        sa.Column("topic_id", sa.String(256), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("claimed_at_ms", sa.BigInteger, nullable=False),
        sa.Column("replayed_at_ms", sa.BigInteger),
    )


def downgrade() -> None:
    op.drop_table("dead_letter_replays")
