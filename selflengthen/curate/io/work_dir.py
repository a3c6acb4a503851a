"""The work folder of a long-running job: its identity, its lock and its logs.

A job resumes from what is on file. To keep two jobs apart, `stage.json` records the data and
settings of the first start; a start with others is rejected, and the error names the difference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from selflengthen.curate.io.rows import Rows, digest
from selflengthen.errors import UserError
from selflengthen.runner.identity import differences
from selflengthen.storage.atomic import check_folder
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_folder import StageFolder

_OURS = {"lock", "logs", "stage.json"}


class WorkFolder(RunFolder):
    """A lock, logs and an identity, as a run has them."""

    def in_use(self, holder: str) -> UserError:
        """Return the error for a second process."""
        return UserError(
            f"{self.path}: this folder is in use by {holder}; wait for it, stop it, or give "
            "another --work."
        )

    def check(self, identity: Mapping[str, Any]) -> None:
        """Raise UserError if the folder belongs to something else or is in use."""
        check_folder(self.path, "--work")
        begun = StageFolder(self.path, "").identity()
        if begun is None and any(p.name not in _OURS for p in self.path.glob("[!.]*")):
            raise UserError(f"{self.path}: contains other files; give --work a folder of its own.")
        if begun is not None and (shown := "; ".join(differences(begun, dict(identity)))):
            raise UserError(
                f"{self.path}: was started with other data or settings ({shown:.300}); use those, "
                "or give another --work."
            )
        if holder := self.holder():
            raise self.in_use(holder)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Record the identity at the first start."""
        StageFolder(self.path, "").begin(identity)


def content_digest(rows: Rows) -> str:
    """Return the SHA-256 of the rows' texts, in their order."""
    hasher = hashlib.sha256()
    for row in rows:
        hasher.update(digest(row))
    return hasher.hexdigest()
