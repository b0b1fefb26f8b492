"""The door through which every RPC comes in: parsed, validated, counted, and refused in one way."""
