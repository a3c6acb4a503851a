"""The curation methods, one per file."""
