"""Brings any stage of texts from its key to its DONE.json; knows no stage."""
