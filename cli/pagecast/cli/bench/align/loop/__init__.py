"""The closed loop: arms that learn from what members did on their own pages, day after day."""
