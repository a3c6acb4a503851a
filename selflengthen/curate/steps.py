"""Methods by name with their options, and lists of them.

A step is a method with its options: a function from rows to a choice. A list of steps is a YAML
file; each step takes the rows that the previous one kept:

    - longest: {k: 5000}
    - mix: {general: general.jsonl, ratio: "1:20"}
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from selflengthen.curate.io.columns import FieldNames
from selflengthen.curate.io.report import StepReport
from selflengthen.curate.io.rows import AppliedStep, Choice, OnProgress, Rows
from selflengthen.errors import UserError
from selflengthen.inputs.user_files import name_fault

if TYPE_CHECKING:
    from selflengthen.curate.indicators.models import Models

_DETECTED = FieldNames()


def _help(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


_K = Annotated[int, msgspec.Meta(ge=1, description="number of rows to keep")]
_Text = str | None


@dataclass(frozen=True)
class StepContext:
    """What a step gets besides its rows.

    Attributes:
        named: the fields that the user named, for data sets that a step opens.
        on_progress: called while models score rows.
    """

    named: FieldNames = _DETECTED
    on_progress: OnProgress | None = None


class _Abstract(msgspec.StructMeta, ABCMeta):
    """The metaclass of structs with abstract methods."""


class CurationStep(
    msgspec.Struct, metaclass=_Abstract, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """A method and its options; the options' descriptions are the help of the command line."""

    def check(self, context: StepContext) -> None:
        """Raise UserError for mistakes that can be found before any row is read."""

    @abstractmethod
    def __call__(self, rows: Rows, context: StepContext) -> Choice:
        """Choose among the rows; raises UserError."""


class LongestStep(CurationStep, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the rows with the longest responses; exact duplicates are dropped."""

    k: _K
    tokenizer: Annotated[_Text, _help("count tokens of this tokenizer: folder or hub id")] = None
    unit: Annotated[
        Literal["words", "nltk"], _help("unit of length: words, or nltk for NLTK's word tokens")
    ] = "words"

    def check(self, context: StepContext) -> None:
        """Raise UserError for two units at once, and if NLTK is needed but not installed."""
        if self.unit == "nltk":
            from selflengthen.curate.nltk_words import check

            if self.tokenizer is not None:
                raise UserError("longest: name a tokenizer or the unit nltk, not both.")
            check()

    def __call__(self, rows: Rows, context: StepContext) -> Choice:
        """Choose the rows with the longest responses."""
        from selflengthen.curate.methods.longest import longest

        return longest(rows, self.k, self.tokenizer, self.unit)


class IndicatorModels(CurationStep, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The models that indicators need."""

    reward: Annotated[_Text, _help("reward model, for reward: folder or hub id")] = None
    unieval: Annotated[
        _Text, _help("UniEval model, for naturalness, coherence and understandability")
    ] = None
    language_model: Annotated[_Text, _help("causal language model, for perplexity and ifd")] = None
    embedder: Annotated[_Text, _help("sentence embedder, for knn_I")] = None
    batch: Annotated[int, msgspec.Meta(ge=1, description="batch size of models, in rows")] = 8
    cache: Annotated[
        _Text, _help("folder for the scores of models (default: ~/.cache/selflengthen/scores)")
    ] = None

    def models(self, on_progress: OnProgress | None = None) -> Models:
        """Return the models in the form that indicators take."""
        from selflengthen.curate.indicators.models import Models

        return Models(
            reward=self.reward,
            language_model=self.language_model,
            unieval=self.unieval,
            embedder=self.embedder,
            batch=self.batch,
            cache=None if self.cache is None else Path(self.cache),
            on_progress=on_progress,
        )


class QualityStep(IndicatorModels, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the rows with the lowest loss predicted by a rule over indicators."""

    k: _K
    rule: Annotated[str, _help("YAML file, or `published` for the rule of InstructMining")] = (
        "published"
    )

    def check(self, context: StepContext) -> None:
        """Raise UserError for a bad rule, and for an indicator that lacks its model."""
        from selflengthen.curate.indicators.registry import check
        from selflengthen.curate.rule.rules import load

        check(load(self.rule).weights, self.models())

    def __call__(self, rows: Rows, context: StepContext) -> Choice:
        """Choose the best rows by the rule."""
        from selflengthen.curate.methods.quality import quality
        from selflengthen.curate.rule.rules import load

        return quality(rows, self.k, load(self.rule), self.models(context.on_progress))


class FaithfulStep(CurationStep, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keep the rows whose response has the length that the prompt asks for."""

    least: Annotated[
        float, msgspec.Meta(ge=0, le=100, description="the lowest S_L to keep, 0 to 100")
    ] = 80

    def __call__(self, rows: Rows, context: StepContext) -> Choice:
        """Choose the rows that meet their length requirement."""
        from selflengthen.curate.methods.faithful import faithful

        return faithful(rows, self.least)


class MixStep(CurationStep, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mix in randomly drawn rows of a general data set."""

    general: Annotated[str, _help("the general data set, named like DATA")]
    ratio: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[1-9][0-9]*:[1-9][0-9]*$",
            description="general rows to others: 1:20 adds one for every twenty",
        ),
    ] = "1:20"
    seed: Annotated[int, _help("seed of the random draw")] = 0

    def check(self, context: StepContext) -> None:
        """Raise UserError if the general data set cannot be opened."""
        from selflengthen.curate.io.load import open_beside

        open_beside(self.general, context.named)

    def __call__(self, rows: Rows, context: StepContext) -> Choice:
        """Add the general rows."""
        from selflengthen.curate.io.load import open_beside
        from selflengthen.curate.methods.mix import mix

        general, others = map(int, self.ratio.split(":"))
        return mix(rows, open_beside(self.general, context.named), general / others, self.seed)


METHODS: Mapping[str, type[CurationStep]] = {
    "longest": LongestStep,
    "quality": QualityStep,
    "faithful": FaithfulStep,
    "mix": MixStep,
}
NamedSteps = Sequence[tuple[str, CurationStep]]
"""Steps, each with the name of its method."""


def make(name: str, options: Mapping[str, Any], where: str, *, strict: bool = True) -> CurationStep:
    """Return a step; raises UserError that names the bad option, after `where`.

    Unless `strict`, values may be texts, as on a command line.
    """
    check_names(options, where)
    try:
        return msgspec.convert(dict(options), METHODS[name], strict=strict)
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$.")
        option = f"{field.rstrip('`')}: " if field else ""
        message = message.replace("Object missing", "lacks the").replace(
            "Object contains unknown", "has an unknown"
        )
        raise UserError(f"{where}{option}{message[:1].lower()}{message[1:]}.") from error


def check_names(options: Mapping[str, Any], where: str) -> None:
    """Raise UserError for an option whose text cannot name a file or a model."""
    for name, value in options.items():
        if isinstance(value, str) and (fault := name_fault(value)):
            raise UserError(f"{where}{name}: {fault}.")


def read(path: Path) -> NamedSteps:
    """Read a list of steps; raises UserError that names the bad step."""
    from selflengthen.inputs import user_yaml

    listed, _ = user_yaml.read(path, str(path))
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{path}: is not a list of steps; write `- METHOD: {{OPTION: VALUE}}`.")
    return parse_steps(listed, str(path))


def parse_steps(listed: Iterable[Any], where: str) -> NamedSteps:
    """Return plain values as steps; raises UserError that names the bad step, after `where`."""
    return [_step(f"{where}, step {number}", step) for number, step in enumerate(listed, 1)]


def _step(where: str, step: Any) -> tuple[str, CurationStep]:
    if not isinstance(step, Mapping) or len(step) != 1:
        raise UserError(f"{where}: is not of the form `METHOD: {{OPTION: VALUE}}`.")
    ((name, options),) = step.items()
    if name not in METHODS:
        raise UserError(f"{where}: no method {name!r}; there are {', '.join(METHODS)}.")
    if not isinstance(options, Mapping | None):
        raise UserError(f"{where}: write the options of {name} as `{{OPTION: VALUE}}`.")
    return name, make(name, options or {}, f"{where}: {name}: ")


def check(steps: NamedSteps, context: StepContext) -> None:
    """Raise UserError for a mistake in any step before any row is read."""
    for _, step in steps:
        step.check(context)


def play(rows: Rows, steps: NamedSteps, context: StepContext) -> list[AppliedStep]:
    """Apply the steps, each to the rows that the previous one kept."""
    applied = []
    for name, step in steps:
        choice = step(rows, context)
        applied.append(AppliedStep(name, rows, choice))
        rows = choice.rows
    return applied


def report(applied: Iterable[AppliedStep], steps: NamedSteps) -> list[StepReport]:
    """Return what each step did."""
    return [
        StepReport.of(
            step, {k: v for k, v in msgspec.to_builtins(options).items() if v is not None}
        )
        for step, (_, options) in zip(applied, steps, strict=True)
    ]
