"""The cards of the data set and the model: what the run's files say, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
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
from selflengthen.storage.jsonl import read_structs
from selflengthen.storage.records import FinalRow
from selflengthen.storage.run_dir import RunFolder
from selflengthen.storage.stage_table import ANNEAL, DEMAND, FINISH_TRAIN, UNION
from selflengthen.text.statistics import spread

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

Facts = dict[str, Any]
"""The values that the templates beside this file name."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_KINDS = {
    "about": "asks for about so many words",
    "range": "asks for a length between two",
    "above": "asks for more than so many words",
    "below": "asks for fewer than so many words",
}
_AUTHORS = {
    "engine": "demand put in by the base model",
    "template": "demand put in by a template",
    "instruction": "demand that the instruction had",
}
_LEFT_OUT = {
    "duplicate": "left out: equal to another",
    "over keep": "left out: more texts of one instruction than were kept",
}
_CHUNK = 1 << 20


def gather(config: Config, model: Model, run: RunFolder, figures: dict[str, Any]) -> Facts:
    """Read from a run's files what the cards say."""
    union, asked = (run.stage(spec).done() or {} for spec in (UNION, DEMAND))
    trained = run.stage(FINISH_TRAIN)
    counts, words = Counter[str](), []
    for row in read_structs(run.final / "dataset" / "train.jsonl", FinalRow):
        source = f"of round {row.round}" if row.round else "collected after the last round"
        counts.update((_KINDS[row.kind], _AUTHORS[row.by], source))
        words.append(row.words)
    names = [*_KINDS.values(), *_AUTHORS.values()]
    names += sorted(counts.keys() - set(names))
    left_out = [(_LEFT_OUT[reason], count) for reason, count in union["dropped"].items()]
    if without := asked["items"] - len(words):
        left_out.append(("left out: no demand that the text satisfies", without))
    return {
        "config": config,
        "name": run.path.resolve().name,
        "base": _named(config.model),
        "digest": model.digest[:12],
        "licence": licences.of_base(model, config.model if on_hub(config.model) else None),
        "rows": len(words),
        "counts": [(name, counts[name]) for name in names if counts[name]] + left_out,
        "words": spread(words),
        "longest": max(words),
        "figures": figures,
        "measured": list(_measured(figures["base"], figures["final"])),
        "rounds": [
            metrics.on_file(run, n) or metrics.of_round(run, n) for n in range(1, union["of"] + 1)
        ],
        "training": trained.done(),
        "anneal": run.stage(ANNEAL).done() if config.finish.anneal.steps else None,
        "version": __version__,
        "versions": (read_json(trained.path / "result.json") or {}).get("versions", {}),
    }


def dataset(facts: Facts) -> str:
    """Write the card of the data set."""
    from huggingface_hub import DatasetCardData

    head = DatasetCardData(
        pretty_name=f"{facts['name']}: long texts with length demands",
        language=_language(facts["config"]),
        task_categories=["text-generation"],
        size_categories=[next((name for most, name in _SIZES if facts["rows"] < most), "n>1M")],
        annotations_creators=["machine-generated"],
        language_creators=["machine-generated"],
        source_datasets=["original"],
        tags=["synthetic", "self-lengthen", "long-form"],
        configs=[
            {"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}
        ],
        **_licence(facts),
    )
    return _fill("dataset.md", facts | {"head": head.to_yaml()})


def model(facts: Facts, *, merged: bool) -> str:
    """Write the card of the adapter, or of the merged model."""
    from huggingface_hub import ModelCardData

    name = facts["config"].model
    base: dict[str, Any] = {}
    if on_hub(name):
        relation = "finetune" if merged else "adapter"
        base = {"base_model": name, "base_model_relation": relation}
    head = ModelCardData(
        model_name=facts["name"],
        language=_language(facts["config"]),
        library_name="transformers" if merged else "peft",
        pipeline_tag="text-generation",
        tags=["self-lengthen", "long-form", "sft", *(() if merged else ("lora",))],
        eval_results=_results(facts["figures"]["final"]) or None,
        **base,
        **_licence(facts),
    )
    return _fill("model.md", facts | {"head": head.to_yaml(), "merged": merged})


def _licence(facts: Facts) -> dict[str, Any]:
    """Return the licence as fields of a card; none where it is not known."""
    licence: Licence | None = facts["licence"]
    return {} if licence is None else asdict(licence)


def _results(final: dict[str, Any]) -> list[EvalResult]:
    """Return the finished model's figures as the hub's results of an evaluation."""
    from huggingface_hub import EvalResult

    if not final["texts"]:
        return []
    figures = [("longen_score", "LonGen score, 0 to 1", final["score"])]
    figures += [
        (f"longen_score_{kind}", f"LonGen score where it {asks}", final["by_kind"][kind]["score"])
        for kind, asks in _KINDS.items()
    ]
    figures += [
        ("length_satisfied", "Share of length demands satisfied", final["satisfied"]),
        ("ended", "Share of texts that end by themselves", final["ends"]),
        ("mean_words", "Mean words", final["words"]["mean"]),
    ]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="selflengthen-held-out",
            dataset_name=f"{final['texts']} held-out instructions with length demands",
            metric_type=kind,
            metric_name=name,
            metric_value=value,
        )
        for kind, name, value in figures
        if value is not None
    ]


def adapter_file(path: Path, model: str) -> Iterable[bytes]:
    """Yield a file of an adapter; its configuration names a base model of the hub by its id."""
    if path.suffix == ".json" and on_hub(model):
        told = orjson.loads(path.read_bytes()) | {"base_model_name_or_path": model}
        yield orjson.dumps(told, option=orjson.OPT_INDENT_2)
        return
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def on_hub(model: str) -> bool:
    """Say whether a model's name is an id of the hub: no folder, no file, no `pocket`."""
    return model != "pocket" and not Path(model).exists()


def _named(model: str) -> str:
    if model == "pocket":
        return "the pocket model of selflengthen"
    return f"[{model}](https://huggingface.co/{model})" if on_hub(model) else Path(model).name


def _measured(base: dict[str, Any], final: dict[str, Any]) -> Iterable[tuple[str, str, str]]:
    yield "score", _score(base["score"]), _score(final["score"])
    for kind, said in _KINDS.items():
        before, after = (side["by_kind"][kind] for side in (base, final))
        if before["texts"]:
            yield (
                f"score where it {said} ({before['texts']})",
                _score(before["score"]),
                _score(after["score"]),
            )
    yield "demand satisfied", f"{base['satisfied']:.0%}", f"{final['satisfied']:.0%}"
    yield "ended by itself", f"{base['ends']:.0%}", f"{final['ends']:.0%}"
    yield "mean words", f"{base['words']['mean']:,.0f}", f"{final['words']['mean']:,.0f}"


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _language(config: Config) -> list[str] | None:
    return [config.language] if config.language in ("en", "zh") else None


def _fill(name: str, facts: Facts) -> str:
    """Fill a template of ours; what users and models wrote is only ever a value."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    return environment.get_template(name).render(facts)
