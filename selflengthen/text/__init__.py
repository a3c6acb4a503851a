"""What can be said of a text from the text alone: measures, checks, language, likeness."""
