"""What a run starts from: the base model, prompts and seed instructions."""
