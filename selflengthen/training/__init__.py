"""Supervised fine-tuning of one role in a child process."""
