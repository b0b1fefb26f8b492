"""What a training begins from: nothing, or a model whose vocabulary grows."""
