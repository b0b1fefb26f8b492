"""What a model is told of a request, the same in training and in serving."""
