"""The cards of the data set and the model: only facts that are in the run's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selflengthen import __version__
from selflengthen.config import Config
from selflengthen.inputs.models import Model
from selflengthen.release import licences
from selflengthen.release.licences import Licence
from selflengthen.runner import metrics
from selflengthen.storage.atomic import read_json
from selflengthen.storage.figures import FinalFigures, LengthFollowing, RoundMetrics
from selflengthen.storage.jsonl import read_structs
from selflengthen.storage.records import FinalRow
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.schemas import Spread, TextsDone, TrainedDone, UnionDone
from selflengthen.storage.stage_table import ANNEAL, DEMAND, FINISH_TRAIN, UNION
from selflengthen.text.statistics import spread

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_KINDS = {
    "about": "asks for about N words",
    "range": "asks for between N and M words",
    "above": "asks for more than N words",
    "below": "asks for fewer than N words",
}
_AUTHORS = {
    "engine": "length requirement written by the base model",
    "template": "length requirement added by a template",
    "instruction": "length requirement of the original instruction",
}
_LEFT_OUT = {
    "duplicate": "left out: same as another",
    "over keep": "left out: more texts for one instruction than were kept",
}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class CardFacts:
    """The values for the templates in this folder, by the names that they use.

    Attributes:
        config: the run's configuration.
        name: the run's name.
        base: the base model in Markdown, with a link if it is on the hub.
        digest: the start of its digest.
        licence: its licence, if known.
        rows: number of rows of the data set.
        counts: rows by what they are, and texts left out, each with a label.
        words: mean, median and 90th percentile of the lengths of the texts.
        longest: words of the longest text.
        figures: how well length requirements are met, before and after.
        measured: the same as cells of a table: label, base model, finished model.
        rounds: the rounds' metrics.
        training: what DONE.json says of the training.
        anneal: what it says of the anneal, if there was one.
        version: the version of selflengthen.
        versions: the versions of the libraries of the training.
    """

    config: Config
    name: str
    base: str
    digest: str
    licence: Licence | None
    rows: int
    counts: list[tuple[str, int]]
    words: Spread
    longest: int
    figures: FinalFigures
    measured: list[tuple[str, str, str]]
    rounds: list[RoundMetrics]
    training: TrainedDone
    anneal: TrainedDone | None
    version: str
    versions: Mapping[str, str]


def gather(config: Config, model: Model, run: RunFolder, figures: FinalFigures) -> CardFacts:
    """Read the facts for the cards from a run's files."""
    union = run.stage(UNION).done_as(UnionDone)
    worded = run.stage(DEMAND).done_as(TextsDone)
    training = run.stage(FINISH_TRAIN)
    trained = training.done_as(TrainedDone)
    assert union is not None and worded is not None, "the run is not finished"
    assert trained is not None, "the run is not finished"
    counts = Counter[str]()
    words: list[int] = []
    for row in read_structs(run.final / "dataset" / "train.jsonl", FinalRow):
        source = f"of round {row.round}" if row.round else "collected after the last round"
        counts.update((_KINDS[row.kind], _AUTHORS[row.by], source))
        words.append(row.words)
    names = [*_KINDS.values(), *_AUTHORS.values()]
    names += sorted(counts.keys() - set(names))
    left_out = [(_LEFT_OUT[reason], count) for reason, count in union.dropped.items()]
    if without := worded.items - len(words):
        left_out.append(("left out: no length requirement that the text meets", without))
    return CardFacts(
        config=config,
        name=run.path.resolve().name,
        base=_base_name(config.model),
        digest=model.digest[:12],
        licence=licences.of_base(model, config.model if on_hub(config.model) else None),
        rows=len(words),
        counts=[(name, counts[name]) for name in names if counts[name]] + left_out,
        words=Spread(**spread(words)),
        longest=max(words),
        figures=figures,
        measured=list(_comparison(figures.base, figures.final)),
        rounds=[
            metrics.on_file(run, n) or metrics.of_round(run, n) for n in range(1, union.of + 1)
        ],
        training=trained,
        anneal=run.stage(ANNEAL).done_as(TrainedDone) if config.finish.anneal.steps else None,
        version=__version__,
        versions=(read_json(training.path / "result.json") or {}).get("versions", {}),
    )


def dataset(facts: CardFacts) -> str:
    """Write the card of the data set."""
    from huggingface_hub import DatasetCardData

    head = DatasetCardData(
        pretty_name=f"{facts.name}: long texts with length requirements",
        language=_language(facts.config),
        task_categories=["text-generation"],
        size_categories=[next((name for most, name in _SIZES if facts.rows < most), "n>1M")],
        annotations_creators=["machine-generated"],
        language_creators=["machine-generated"],
        source_datasets=["original"],
        tags=["synthetic", "self-lengthen", "long-form"],
        configs=[
            {"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}
        ],
        **_licence_fields(facts.licence),
    )
    return _fill("dataset.md", facts, head=head.to_yaml())


def model(facts: CardFacts, *, merged: bool) -> str:
    """Write the card of the adapter, or of the merged model."""
    from huggingface_hub import ModelCardData

    name = facts.config.model
    base: dict[str, Any] = {}
    if on_hub(name):
        relation = "finetune" if merged else "adapter"
        base = {"base_model": name, "base_model_relation": relation}
    head = ModelCardData(
        model_name=facts.name,
        language=_language(facts.config),
        library_name="transformers" if merged else "peft",
        pipeline_tag="text-generation",
        tags=["self-lengthen", "long-form", "sft", *(() if merged else ("lora",))],
        eval_results=_eval_results(facts.figures.final) or None,
        **base,
        **_licence_fields(facts.licence),
    )
    return _fill("model.md", facts, head=head.to_yaml(), merged=merged)


def _licence_fields(licence: Licence | None) -> dict[str, Any]:
    """Return the licence as fields of a card; none if it is not known."""
    return {} if licence is None else asdict(licence)


def _eval_results(final: LengthFollowing) -> list[EvalResult]:
    """Return the finished model's figures as evaluation results of the hub."""
    from huggingface_hub import EvalResult

    if not final.texts:
        return []
    figures = [("longen_score", "LonGen score, 0 to 1", final.score)]
    figures += [
        (f"longen_score_{kind}", f"LonGen score, instruction {label}", final.by_kind[kind].score)
        for kind, label in _KINDS.items()
    ]
    figures += [
        ("length_satisfied", "Share of length requirements met", final.satisfied),
        ("ended", "Share of texts that end by themselves", final.ends),
        ("mean_words", "Mean words", final.words.mean),
    ]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="selflengthen-held-out",
            dataset_name=f"{final.texts} held-out instructions with length requirements",
            metric_type=kind,
            metric_name=name,
            metric_value=value,
        )
        for kind, name, value in figures
        if value is not None
    ]


def adapter_file(path: Path, model: str) -> Iterable[bytes]:
    """Yield the content of an adapter's file; in its configuration, a hub model goes by its id."""
    if path.suffix == ".json" and on_hub(model):
        config = orjson.loads(path.read_bytes()) | {"base_model_name_or_path": model}
        yield orjson.dumps(config, option=orjson.OPT_INDENT_2)
        return
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def on_hub(model: str) -> bool:
    """Say whether a model's name is a hub id, not a folder, a file or the embedded model."""
    return model != "pocket" and not Path(model).exists()


def _base_name(model: str) -> str:
    if model == "pocket":
        return "the pocket model of selflengthen"
    return f"[{model}](https://huggingface.co/{model})" if on_hub(model) else Path(model).name


def _comparison(base: LengthFollowing, final: LengthFollowing) -> Iterator[tuple[str, str, str]]:
    yield "score", _score(base.score), _score(final.score)
    for kind, label in _KINDS.items():
        before = base.by_kind[kind]
        if before.texts:
            yield (
                f"score, instruction {label} ({before.texts})",
                _score(before.score),
                _score(final.by_kind[kind].score),
            )
    yield "length requirement met", f"{base.satisfied:.0%}", f"{final.satisfied:.0%}"
    yield "ended by itself", f"{base.ends:.0%}", f"{final.ends:.0%}"
    yield "mean words", f"{base.words.mean:,.0f}", f"{final.words.mean:,.0f}"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _language(config: Config) -> list[str] | None:
    return [config.language] if config.language in ("en", "zh") else None


def _fill(name: str, facts: CardFacts, **values: object) -> str:
    """Fill one of our templates; what users and models wrote is always a value."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    return environment.get_template(name).render(vars(facts), **values)
