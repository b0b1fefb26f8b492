"""TrainingService: trainings are asked for and watched here, and run elsewhere."""
