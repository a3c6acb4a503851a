"""What each stage's key is made of: the settings, prompts and inputs that decide what it makes."""

from __future__ import annotations

from typing import Any

from selflengthen.config import Config, identity_of
from selflengthen.errors import UserError
from selflengthen.inputs.models import Model
from selflengthen.inputs.prompts import Prompts
from selflengthen.inputs.seeds import Seed
from selflengthen.runner.identity import differences, files, listed
from selflengthen.storage.records import fingerprint
from selflengthen.storage.run_dir import RunFolder, StageFolder

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


def _place(folder: StageFolder) -> tuple[int, str]:
    number, name, *_ = folder.title.split("/")
    return int(number), name


def _digest(value: object) -> str:
    return fingerprint(value).hex()
