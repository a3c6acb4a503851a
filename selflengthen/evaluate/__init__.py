"""How long texts are and how good, without a judge: three benchmarks' scores, and variety."""
