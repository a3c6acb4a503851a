"""What a run will take, reckoned before a GPU is touched."""
