"""selflengthen: teach a language model to write long from nothing but itself."""

__version__ = "0.1.0"
