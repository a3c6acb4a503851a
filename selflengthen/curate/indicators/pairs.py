"""IFD of pairs of texts, scored by a child process: the caller never imports torch.

The child's memory, a GPU's included, is free again when it ends. Scores are cached in its folder,
so that after a kill only the rest is scored.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from selflengthen.curate.indicators.models import Models
from selflengthen.errors import SelfLengthenError, UserError
from selflengthen.storage.atomic import rewrite
from selflengthen.training import child, guard

_USER_ERROR = 2
_PAIRS, _SCORES = "pairs.jsonl", "scores.json"


class TextPair(NamedTuple):
    """An instruction and a text that may answer it."""

    prompt: str
    response: str


class PairScores(msgspec.Struct, frozen=True):
    """IFD of pairs, in their order; None for a response without a token."""

    values: list[float | None]
    cut: int
    """pairs over the model's context, of which the response's beginning was scored"""


async def score(model: str | Path, pairs: Iterable[TextPair], folder: Path) -> PairScores:
    """Return the IFD of each pair by a language model (a folder); `folder` is a place to work in.

    Raises UserError if the model cannot score, SelfLengthenError if the child fails otherwise.
    """
    folder.mkdir(exist_ok=True)
    lines = (msgspec.json.encode(pair._asdict()) + b"\n" for pair in pairs)
    rewrite(folder / _PAIRS, lines)
    log = folder / "score.log"
    code, message = await child.run(__name__, str(model), folder, log=log)
    if code == _USER_ERROR:
        raise UserError(message)
    if code:
        raise SelfLengthenError(f"Scoring texts failed: {message:.300} The log: {log}")
    return msgspec.json.decode((folder / _SCORES).read_bytes(), type=PairScores)


def score_here(model: str, folder: Path) -> None:
    """Do the work of `score`, in the child; the scores are written last."""
    from selflengthen.curate.indicators.cache import score_rows
    from selflengthen.curate.io.columns import FieldNames
    from selflengthen.curate.io.load import open_rows

    rows = open_rows(str(folder / _PAIRS), FieldNames(*TextPair._fields))
    models = Models(language_model=model, cache=folder, on_progress=_print_progress)
    scores, cut = score_rows(rows, "ifd", model, models)
    values = [value if math.isfinite(value) else None for value in scores[:, 0].tolist()]
    rewrite(folder / _SCORES, [msgspec.json.encode(PairScores(values, cut))])


def _print_progress(name: str, done: int, total: int) -> None:
    print(f"{name}: {done:,}/{total:,} texts", flush=True)


def main(model: str, folder: str) -> int:
    """Score the pairs; a user's mistake is the last line of the output."""
    try:
        score_here(model, Path(folder))
    except UserError as error:
        print(error, flush=True)
        return _USER_ERROR
    return 0


if __name__ == "__main__":
    guard.die_with_parent()
    sys.exit(main(*sys.argv[1:]))
