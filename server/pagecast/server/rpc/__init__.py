"""The door through which every RPC comes in: parsed, validated, counted, refused in one way."""
