"""`python -m selflengthen`."""

from __future__ import annotations

import sys

from selflengthen.cli import main

if __name__ == "__main__":
    sys.exit(main())
