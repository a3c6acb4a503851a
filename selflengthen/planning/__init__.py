"""What a run will take, estimated before a GPU is touched."""
