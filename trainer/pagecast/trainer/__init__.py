"""History becomes a model, a model becomes an ONNX bundle.

To follow a training, read in this order: `train` (the steps), `snapshot` and `replay` (the log
becomes users' steps), `data` and `users` (steps become numbers), `pools` and `pages` (what should
have been shown), `batch` and `forward` (many pages in one pass), `model`, `decoder` and `tower`
(the model), `fit` (the loop), `evaluate` and `baselines`, `graphs`, `parity` and `bundle`.
"""
