"""What each stage's key is made of: the settings, prompts and inputs that decide what it makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from selflengthen.config import Config, identity_of
from selflengthen.errors import DamagedFile, UserError
from selflengthen.models import Model, content
from selflengthen.prompts import Prompts
from selflengthen.records import fingerprint
from selflengthen.seeds import Seed
from selflengthen.store import RunFolder, StageFolder

# Stage → sections of the configuration, prompts, and stages of the same round that it reads.
_USES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "1-instruct": (
        ("instruct", "sampling"),
        ("instruct.user", "instruct.assistant", "judge.user", "answers"),
        (),
    ),
    "2-draft": (("draft", "sampling", "checks"), ("draft.user",), ("1-instruct",)),
    "3-expand": (("expand", "sampling", "checks"), ("expand.user",), ("1-instruct", "2-draft")),
    "4-dataset": (("dataset",), ("draft.user", "expand.user"), ("2-draft", "3-expand")),
    "4b-curate": ((), (), ("4-dataset",)),
    "5-train": (("train",), (), ("4-dataset",)),
    "6-held-out": (("sampling",), ("draft.user",), ()),
}
# After the last round. A field alone, as in `finish.epochs`, is not the rest of its section.
_DEMANDS = ("finish.about", "finish.range", "finish.above", "finish.below", "finish.spelled")
_FINAL_USES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "1-instruct": (("instruct", "sampling", "collect.instructions"), _USES["1-instruct"][1], ()),
    "2-draft": (("draft", "sampling", "checks"), ("draft.user",), ("1-instruct",)),
    "3-union": (("collect.keep",), (), ("1-instruct", "2-draft")),
    "4-demand": (
        ("sampling", "checks", *_DEMANDS, "finish.attempts", "finish.keep_words"),
        ("demand.user",),
        ("3-union",),
    ),
    "5-train": (("train", "finish.learning_rate", "finish.epochs"), ("draft.user",), ("4-demand",)),
    "5b-anneal": (("train",), ("draft.user",), ("4-demand", "5-train")),
    "6-held-out": (("sampling", *_DEMANDS), ("draft.user",), ("4-demand",)),
    "7-merge": ((), (), ("5-train",)),
}
SPEED = ("batch", "cache")
"""Options of curation steps that do not change what they choose."""

_ADAPTERS = {"1-instruct": "generator", "2-draft": "generator", "3-expand": "expander"}


class Identities:
    """The identity of every stage of a run."""

    def __init__(
        self,
        config: Config,
        model: Model,
        run: RunFolder,
        prompts: Prompts,
        seeds: list[Seed],
        held: list[Seed],
    ) -> None:
        """Keep what identities are made of."""
        self.config, self.model, self.run = config, model, run
        self.prompts = {**prompts.texts, "answers": "\n".join(prompts.answers)}
        self.seeds = _digest([(s.id, s.instruction) for s in seeds])
        self.held = _digest([(s.id, s.instruction) for s in held])

    def of(self, folder: StageFolder) -> dict[str, Any]:
        """Return the identity of a stage as the configuration would make it now."""
        number, name, *rest = folder.title.split("/")
        role = rest[0] if rest else _ADAPTERS.get(name)
        sections, prompts, inputs = _USES[name]
        identity: dict[str, Any] = {"model": self.model.digest, "seed": self.config.seed}
        identity |= {s: identity_of(getattr(self.config, s)) for s in sections}
        identity["prompts"] = {p: _digest(self.prompts.get(p)) for p in prompts}
        identity["inputs"] = {i: self._done(int(number), i) for i in inputs}
        if name in ("4b-curate", "5-train") and self.config.curate:
            # Where nothing is chosen, a training's identity is what it was before this could be.
            identity["curate"] = listed(self.config.curate)
        if name == "4b-curate":
            identity["files"] = files(self.config.curate)
        if name == "5-train" and self.config.curate:
            identity["inputs"]["4b-curate"] = self._done(int(number), "4b-curate")
        if name == "1-instruct":
            identity["seeds"], identity["held_out"] = self.seeds, self.held
            for earlier in range(1, int(number)):
                identity["inputs"][f"{earlier:02d}/1-instruct"] = self._done(earlier, "1-instruct")
        if name == "6-held-out":
            identity["held_out"] = self.held
            identity["inputs"]["generator"] = self._done(int(number), "5-train/generator")
        elif role:
            identity["inputs"][role] = self._done(int(number) - 1, f"5-train/{role}")
        return identity

    def check(self, redo: tuple[int, str] | None = None) -> list[StageFolder]:
        """Compare every stage on disk with the configuration; return the stages to do again.

        Raises UserError naming the fields that differ, unless they belong to stages that `redo`
        (round, stage) asks to make again.
        """
        begun = self.run.stages()
        again = [f for f in begun if redo and _place(f) >= (redo[0], redo[1])]
        require_whole(self.run, [folder for folder in begun if folder not in again])
        for folder in begun:
            if folder not in again and (shown := self._differing(folder)):
                raise UserError(
                    f"{self.run.path}: {folder.title} was made with other settings ({shown}). Keep "
                    "those settings, start anew with another --run-dir, or make it again from "
                    f"there on with --redo {'/'.join(folder.title.split('/')[:2])} (what is there "
                    "is set aside, not deleted)."
                )
        return again

    def _differing(self, folder: StageFolder) -> str:
        """Return what differs between a stage on disk and the configuration, or nothing."""
        differing = list(differences(folder.identity() or {}, self.of(folder)))
        return "; ".join(differing[:4]) + (" …" if len(differing) > 4 else "")

    def _done(self, number: int, name: str) -> str | None:
        if number < 1:
            return None
        done = self.run.stage(number, name).done()
        return done["digest"] if done else None


class FinalIdentities(Identities):
    """The identity of every stage after the last round."""

    def of(self, folder: StageFolder) -> dict[str, Any]:
        """Return the identity of a stage as configuration and rounds would make it now."""
        _, name, *which = folder.title.split("/")
        sections, prompts, inputs = _FINAL_USES[name]
        identity: dict[str, Any] = {"model": self.model.digest, "seed": self.config.seed}
        for path in sections:
            section, _, field = path.partition(".")
            values = identity_of(getattr(self.config, section))
            identity[path] = values[field] if field else values
        identity["prompts"] = {p: _digest(self.prompts.get(p)) for p in prompts}
        identity["inputs"] = {i: self._last(i) for i in inputs}
        rounds = range(1, self.run.finished() + 1)
        if name in ("1-instruct", "2-draft"):
            identity["inputs"] |= {
                f"{n:02d}/5-train/generator": self._done(n, "5-train/generator") for n in rounds
            }
        if name == "1-instruct":
            identity["seeds"], identity["held_out"] = self.seeds, self.held
            identity["inputs"] |= {
                f"{n:02d}/1-instruct": self._done(n, "1-instruct") for n in rounds
            }
        if name == "3-union":
            identity["inputs"] |= {
                f"{n:02d}/{stage}": self._done(n, stage)
                for n in rounds
                for stage in ("1-instruct", "2-draft", "3-expand")
            }
        if name in ("4-demand", "6-held-out"):
            identity["language"] = self.config.language
        if name == "6-held-out":
            identity["held_out"] = self.held
            identity["inputs"] |= {"5-train": self._last("5-train")} if which == ["final"] else {}
        if name in ("5b-anneal", "7-merge") or which == ["final"]:
            identity |= self._annealed(identity, name)
        return identity

    def _annealed(self, identity: dict[str, Any], name: str) -> dict[str, Any]:
        """Return what an anneal adds to its own stage and to those of the model it makes."""
        anneal = self.config.finish.anneal
        if not anneal.steps:
            return {}
        said = {"anneal": identity_of(anneal) | {"steps": listed(anneal.steps)}}
        if name == "5b-anneal":
            return said | {"files": files(anneal.steps)}
        return said | {"inputs": identity["inputs"] | {"5b-anneal": self._last("5b-anneal")}}

    def check_last(self, redo: str | None = None) -> list[StageFolder]:
        """Compare every stage after the last round; return those that `redo` asks to make again."""
        begun = self.run.last_stages()
        again = [f for f in begun if redo and f.title.split("/")[1] >= redo]
        require_whole(self.run, [folder for folder in begun if folder not in again])
        for folder in begun:
            if folder not in again and (shown := self._differing(folder)):
                stage = folder.title.split("/")[1]
                raise UserError(
                    f"{self.run.path}: {folder.title} was made with other settings or from other "
                    f"rounds ({shown}). Keep those settings, or make it again from there on with "
                    f"--redo {stage} (what is there is set aside, not deleted)."
                )
        return again

    def _last(self, name: str) -> str | None:
        done = self.run.last(name).done()
        return done["digest"] if done else None


def require_whole(run: RunFolder, begun: Iterable[StageFolder]) -> None:
    """Raise DamagedFile for the first stage.json or DONE.json that must be there and is not."""
    for fault in gaps(run, begun):
        raise fault


def gaps(run: RunFolder, begun: Iterable[StageFolder]) -> Iterator[DamagedFile]:
    """Yield what is missing of stages that were begun, and of the stages that they were made of.

    Stages after the last round may outlive rounds that are made again; then they are stale, and
    nothing is missing.
    """
    missing = set()
    for folder in begun:
        identity = folder.identity()
        if identity is None:
            yield DamagedFile(folder.path / "stage.json", "it is missing", folder.remedy)
            continue
        for source, digest in sources(run, folder, identity):
            stale = folder.title.startswith("final/") and not source.title.startswith("final/")
            if digest and not stale and source.done() is None and source.path not in missing:
                missing.add(source.path)
                what = f"it is missing, and {folder.title} was made from this stage"
                yield DamagedFile(source.path / "DONE.json", what, source.remedy)


def sources(
    run: RunFolder, folder: StageFolder, identity: Mapping[str, Any]
) -> Iterator[tuple[StageFolder, str | None]]:
    """Yield the stages that an identity names as inputs, with the digests they had then."""
    first, name, *_ = folder.title.split("/")
    for source, digest in identity.get("inputs", {}).items():
        number, _, stage = source.partition("/")
        if number.isdecimal():
            yield run.stage(int(number), stage), digest
        elif first == "final":
            yield run.last(source), digest
        elif source in _ADAPTERS.values():  # held-out texts are written with the round's own
            trained = int(first) - (name != "6-held-out")
            yield run.stage(trained, f"5-train/{source}"), digest
        else:
            yield run.stage(int(first), source), digest


def listed(steps: Iterable[Any]) -> list[dict[str, Any]]:
    """Return curation steps without the options that only change how fast they are."""
    return [
        {name: {k: v for k, v in (options or {}).items() if k not in SPEED}}
        for step in steps
        for name, options in step.items()
    ]


def files(steps: Iterable[Any]) -> dict[str, str]:
    """Return the digests of the files and folders that steps name: they count by content."""
    found = {}
    for step in listed(steps):
        for options in step.values():
            for value in options.values():
                if isinstance(value, str) and (path := _named(value)):
                    found[value] = content(path)
    return found


def _named(value: str) -> Path | None:
    """Return the file or folder that an option names, also with a `:SPLIT` behind it, or None."""
    for name in (value, value.rpartition(":")[0]):
        if name and Path(name).exists():
            return Path(name)
    return None


def differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield `field: old → new` for every field that differs; long digests are not shown."""
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{prefix}{name}.")
        elif before != after:
            plain = not any(isinstance(v, str) and len(v) == 64 for v in (before, after))
            yield f"{prefix}{name}: {before} → {after}" if plain else f"{prefix}{name} differs"


def _place(folder: StageFolder) -> tuple[int, str]:
    number, name, *_ = folder.title.split("/")
    return int(number), name


def _digest(value: object) -> str:
    return fingerprint(value).hex()
