"""Methods by name with their options, and lists of them.

A step is a method with its options filled in: a function from rows to a choice. A list of steps is
a YAML file; each takes what the one before it kept:

    - longest: {k: 5000}
    - mix: {general: general.jsonl, ratio: "1:20"}
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from selflengthen.curate.io.columns import Asked
from selflengthen.curate.io.rows import Choice, Rows, Tell
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import name_fault

_K = Annotated[int, msgspec.Meta(ge=1, description="how many rows to keep")]
_Text = str | None
_UNASKED = Asked()


def _said(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


@dataclass(frozen=True)
class Setting:
    """What steps are told besides rows.

    `asked` are the fields that a user named, for sets that steps open; `tell` hears how far models
    have scored.
    """

    asked: Asked = _UNASKED
    tell: Tell | None = None


class _Abstract(msgspec.StructMeta, ABCMeta):
    """Of structs with abstract methods."""


class Step(
    msgspec.Struct, metaclass=_Abstract, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """A method and its options; the options' descriptions are the help of the command line."""

    def check(self, setting: Setting) -> None:
        """Raise UserError for what is wrong before any row is read."""

    @abstractmethod
    def __call__(self, rows: Rows, setting: Setting) -> Choice:
        """Choose; raises UserError."""


class Longest(Step, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the rows with the longest responses; exact duplicates go."""

    k: _K
    tokenizer: Annotated[_Text, _said("count tokens of this tokenizer: folder or hub id")] = None
    unit: Annotated[
        Literal["words", "nltk"], _said("what is counted: words, or nltk for NLTK's word tokens")
    ] = "words"

    def check(self, setting: Setting) -> None:
        """Raise UserError for two units at once, and where NLTK is not installed."""
        if self.unit == "nltk":
            from selflengthen.curate.nltk_words import check

            if self.tokenizer is not None:
                raise UserError("longest: name a tokenizer or the unit nltk, not both.")
            check()

    def __call__(self, rows: Rows, setting: Setting) -> Choice:
        """Choose the longest."""
        from selflengthen.curate.methods.longest import longest

        return longest(rows, self.k, self.tokenizer, self.unit)


class WithModels(Step, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The models that indicators need."""

    reward: Annotated[_Text, _said("reward model, for reward: folder or hub id")] = None
    unieval: Annotated[
        _Text, _said("UniEval model, for naturalness, coherence and understandability")
    ] = None
    language_model: Annotated[_Text, _said("causal language model, for perplexity")] = None
    embedder: Annotated[_Text, _said("sentence embedder, for knn_I")] = None
    batch: Annotated[int, msgspec.Meta(ge=1, description="rows a model reads at once")] = 8
    cache: Annotated[
        _Text, _said("folder of scores that models gave (default: ~/.cache/selflengthen/scores)")
    ] = None

    def models(self, tell: Tell | None = None) -> Any:
        """Return the models as indicators take them."""
        from selflengthen.curate.indicators.models import Models

        folder = None if self.cache is None else Path(self.cache)
        named = self.reward, self.language_model, self.unieval, self.embedder
        return Models(*named, self.batch, folder, tell)


class Quality(WithModels, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the rows of the lowest loss that a rule over indicators predicts."""

    k: _K
    rule: Annotated[str, _said("YAML file, or `published`: the rule of InstructMining")] = (
        "published"
    )

    def check(self, setting: Setting) -> None:
        """Raise UserError for a rule that is none, or whose indicators lack a model."""
        from selflengthen.curate.indicators.registry import check
        from selflengthen.curate.rule.rules import load

        check(load(self.rule).weights, self.models())

    def __call__(self, rows: Rows, setting: Setting) -> Choice:
        """Choose the best by the rule."""
        from selflengthen.curate.methods.quality import quality
        from selflengthen.curate.rule.rules import load

        return quality(rows, self.k, load(self.rule), self.models(setting.tell))


class Faithful(Step, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the rows that ask for a length and keep it."""

    least: Annotated[
        float, msgspec.Meta(ge=0, le=100, description="the least S_L, 0 to 100, of a row kept")
    ] = 80

    def __call__(self, rows: Rows, setting: Setting) -> Choice:
        """Choose the faithful."""
        from selflengthen.curate.methods.faithful import faithful

        return faithful(rows, self.least)


class Mix(Step, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Add rows of a general set, drawn by lot, among the others."""

    general: Annotated[str, _said("the general set, named as DATA is")]
    ratio: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[1-9][0-9]*:[1-9][0-9]*$",
            description="general rows to others: 1:20 adds one for twenty",
        ),
    ] = "1:20"
    seed: Annotated[int, _said("of the lot")] = 0

    def check(self, setting: Setting) -> None:
        """Raise UserError where the general set cannot be opened."""
        from selflengthen.curate.io.load import open_beside

        open_beside(self.general, setting.asked)

    def __call__(self, rows: Rows, setting: Setting) -> Choice:
        """Add the general rows."""
        from selflengthen.curate.io.load import open_beside
        from selflengthen.curate.methods.mix import mix

        general, others = map(int, self.ratio.split(":"))
        return mix(rows, open_beside(self.general, setting.asked), general / others, self.seed)


METHODS: Mapping[str, type[Step]] = {
    "longest": Longest, "quality": Quality, "faithful": Faithful, "mix": Mix,
}  # fmt: skip
Steps = Sequence[tuple[str, Step]]


def make(name: str, options: Mapping[str, Any], where: str, *, strict: bool = True) -> Step:
    """Return a step; raises UserError naming the option that is wrong, after `where`.

    Not `strict`: values may be texts, as they stand on a command line.
    """
    check_names(options, where)
    try:
        return msgspec.convert(dict(options), METHODS[name], strict=strict)
    except msgspec.ValidationError as error:
        told, _, at = str(error).partition(" - at `$.")
        option = f"{at.rstrip('`')}: " if at else ""
        told = told.replace("Object missing", "lacks the").replace(
            "Object contains unknown", "has an unknown"
        )
        raise UserError(f"{where}{option}{told[:1].lower()}{told[1:]}.") from error


def check_names(options: Mapping[str, Any], where: str) -> None:
    """Raise UserError for a text that can name no file or model, as those of options do."""
    for name, value in options.items():
        if isinstance(value, str) and (fault := name_fault(value)):
            raise UserError(f"{where}{name}: {fault}.")


def read(path: Path) -> Steps:
    """Read a list of steps; raises UserError naming the step that is none."""
    from selflengthen.inputs import user_yaml

    listed, _ = user_yaml.read(path, str(path))
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{path}: is no list of steps; write `- METHOD: {{OPTION: VALUE}}` lines.")
    return made(listed, str(path))


def made(listed: Iterable[Any], where: str) -> Steps:
    """Return plain values as steps; raises UserError naming the step that is none, of `where`."""
    return [_step(f"{where}, step {number}", step) for number, step in enumerate(listed, 1)]


def _step(where: str, step: Any) -> tuple[str, Step]:
    if not isinstance(step, Mapping) or len(step) != 1:
        raise UserError(f"{where}: is not one `METHOD: {{OPTION: VALUE}}`.")
    ((name, options),) = step.items()
    if name not in METHODS:
        raise UserError(f"{where}: no method {name!r}; there are {', '.join(METHODS)}.")
    if not isinstance(options, Mapping | None):
        raise UserError(f"{where}: the options of {name} are no `OPTION: VALUE`.")
    return name, make(name, options or {}, f"{where}: {name}: ")


def check(steps: Steps, setting: Setting) -> None:
    """Raise UserError for what is wrong with any step before any row is read."""
    for _, step in steps:
        step.check(setting)


def play(rows: Rows, steps: Steps, setting: Setting) -> list[tuple[str, Rows, Choice]]:
    """Play the steps, each on what the one before it kept; return name, rows and choice of each."""
    played = []
    for name, step in steps:
        choice = step(rows, setting)
        played.append((name, rows, choice))
        rows = choice.rows
    return played


def report(played: Iterable[tuple[str, Rows, Choice]], steps: Steps) -> list[dict[str, Any]]:
    """Return what each step did, for people and programs."""
    return [
        {
            "method": name,
            "options": {k: v for k, v in msgspec.to_builtins(step).items() if v is not None},
            "rows": len(rows),
            "kept": len(choice.rows),
            "dropped": {d.reason: len(d.numbers) for d in choice.dropped if len(d.numbers)},
            **choice.figures,
        }
        for (name, rows, choice), (_, step) in zip(played, steps, strict=True)
    ]
