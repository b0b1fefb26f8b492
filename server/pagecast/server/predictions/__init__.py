"""PredictionService: the champion as predictor, embedder and generator of candidates."""
