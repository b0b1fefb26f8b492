"""Shapes of the decoder by name; all have heads of 64.

| profile | width | layers | query heads | key/value heads | MLP | parameters |
|---|---|---|---|---|---|---|
| tiny | 128 | 2 | 2 | 1 | 256 | 350 112 |
| small | 256 | 4 | 4 | 1 | 768 | 3 223 712 |
| base | 512 | 8 | 8 | 2 | 1536 | 24 932 000 |
| large | 1024 | 16 | 16 | 4 | 3072 | 196 156 064 |

Parameters are those of the blocks and of the tower's layers, without the tables of entities, rows,
fields, genres and other names, whose sizes depend on the vocabulary.
"""

from pagecast.trainer.config import ModelConfig

PROFILES = {
    "tiny": ModelConfig(),
    "small": ModelConfig(d_model=256, layers=4, query_heads=4, kv_heads=1, mlp_hidden=768),
    "base": ModelConfig(d_model=512, layers=8, query_heads=8, kv_heads=2, mlp_hidden=1536),
    "large": ModelConfig(d_model=1024, layers=16, query_heads=16, kv_heads=4, mlp_hidden=3072),
}
"""`tiny` is the default and learns MovieLens 100K in minutes on a CPU; `large` is about as large as
the model of docs/papers.md 1."""
