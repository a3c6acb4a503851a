"""The inputs of a run: the base model, prompts, seed instructions and other files of the user."""
