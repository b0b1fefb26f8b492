"""History becomes a model, a model becomes an ONNX bundle.

To follow a training, read in this order: `train` (the steps), then one folder after another:

- `data`: `snapshot` and `replay` (the log becomes users' steps), `dataset` and `users` (steps
  become numbers); `starts`, if it begins from a model,
- `pages`: `pools` and `constructed` (what should have been shown), `logged` (what was),
- `batches`: `batch` and `packer` (many pages in one pass); `post_training` (what pages were worth),
- `network`: `model`, `decoder` and `tower`; `semantic`, if entities are spelled,
- `fitting`: `fit` (the loop) and `forward`; `alignment`, if it is reinforcement learning,
- `export`: `graphs`, `parity` and `bundle`; `gate` judges what comes of it.

`service` runs trainings that were asked for, `evaluation` and `benchmarks` say what they are worth.
"""
