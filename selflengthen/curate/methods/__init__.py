"""The methods of curation, one a file."""
