"""What a quality rule reads from a row: measured, or scored by a model."""
