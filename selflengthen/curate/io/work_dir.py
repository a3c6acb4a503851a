"""The folder of a work that takes long: what it is made of, who works in it, its logs.

A work goes on with what is on file. So that no two are mixed, `stage.json` says what the first
start was made of; a start of something else is refused with what differs.
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
        """Return the refusal of a second process."""
        return UserError(
            f"{self.path}: this work is in use by {holder}; wait for it, stop it, or give another "
            "--work."
        )

    def check(self, identity: Mapping[str, Any]) -> None:
        """Raise UserError where the folder is of something else, or somebody works in it."""
        check_folder(self.path, "--work")
        begun = StageFolder(self.path, "").identity()
        if begun is None and any(p.name not in _OURS for p in self.path.glob("[!.]*")):
            raise UserError(f"{self.path}: has other files in it; give --work a folder of its own.")
        if begun is not None and (shown := "; ".join(differences(begun, dict(identity)))):
            raise UserError(
                f"{self.path}: was begun with other data or settings ({shown:.300}); keep those, "
                "or give another --work."
            )
        if holder := self.holder():
            raise self.in_use(holder)

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Say what the work is made of, at its first start."""
        StageFolder(self.path, "").begin(identity)


def content(rows: Rows) -> str:
    """Return the digest of the texts of rows, in their order."""
    whole = hashlib.sha256()
    for row in rows:
        whole.update(digest(row))
    return whole.hexdigest()
