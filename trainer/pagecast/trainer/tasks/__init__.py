"""Fine-tuning for an application: labelled rows become a head on a model, or move the model."""
