"""From argv and YAML to a checked configuration."""
