"""The identity of each stage: the settings, prompts and inputs that decide what it produces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selflengthen.errors import UserError
from selflengthen.field_kinds import identity_of
from selflengthen.inputs.prompts import SYSTEM
from selflengthen.pipeline.strategy import chosen
from selflengthen.runner.context import RunContext
from selflengthen.runner.identity import differences, files, listed
from selflengthen.runner.sources import require_whole
from selflengthen.storage.records import fingerprint
from selflengthen.storage.schemas import Identity
from selflengthen.storage.stage_folder import StageFolder
from selflengthen.storage.stage_table import (
    ANNEAL,
    CURATE,
    DATASET,
    EXPAND,
    GATE,
    MERGE,
    STRATEGY,
    TRAIN,
    UNION,
    StageSpec,
)


class Fingerprints:
    """The identities of a run's stages under its present configuration."""

    def __init__(self, context: RunContext) -> None:
        """Digest what does not change while the run goes on."""
        prompts = context.prompts
        self.context = context
        self._prompts = {**prompts.texts, "answers": "\n".join(prompts.answers)}
        self._values = {
            "seeds": _digest([(s.id, s.instruction) for s in context.seeds]),
            "held_out": _digest([(s.id, s.instruction) for s in context.held_out]),
            "language": context.config.language,
        }
        self._source = _digest([(s.id, s.instruction) for s in context.source])

    def of(self, folder: StageFolder) -> Identity:
        """Return the identity of a stage: equal identities make equal texts."""
        spec, config = folder.spec, self.context.config
        identity: Identity = {"model": self.context.model.digest, "seed": config.seed}
        for path in spec.sections:
            section, _, field = path.partition(".")
            values = identity_of(getattr(config, section))
            if section == "instruct" and config.instruct.source is not None:
                values = self._by_content(values)
            identity[path] = values[field] if field else values
        identity["prompts"] = {
            name: _digest(self._prompts.get(name)) for name in self._prompt_names(spec)
        }
        identity["inputs"] = dict(self._inputs(folder))
        identity |= {name: self._values[name] for name in spec.values}
        self._add_gate(folder, identity)
        self._add_curation(folder, identity)
        return identity

    def check(self, redo: tuple[int, StageSpec] | None = None) -> list[StageFolder]:
        """Compare every stage of the rounds with the configuration; return the stages to redo.

        Raises UserError naming the fields that differ, unless they belong to stages that `redo`
        (round, stage) says to redo.
        """
        begun = self.context.run.stages()
        first = (redo[0], redo[1].name) if redo else None
        again = [f for f in begun if first and (f.number or 0, f.spec.name) >= first]
        require_whole(self.context.run, [folder for folder in begun if folder not in again])
        for folder in begun:
            if folder not in again and (shown := self._differing(folder)):
                raise UserError(
                    f"{self.context.run.path}: {folder.title} was made with other settings "
                    f"({shown}). Restore those settings, use another --run-dir, or repeat it and "
                    f"all later stages with --redo {folder.number:02d}/{folder.spec.name} (the old "
                    "files move to superseded/; nothing is deleted)."
                )
        return again

    def check_last(self, redo: StageSpec | None = None) -> list[StageFolder]:
        """Compare every stage after the last round; return those that `redo` says to redo."""
        begun = self.context.run.last_stages()
        again = [f for f in begun if redo and f.spec.name >= redo.name]
        require_whole(self.context.run, [folder for folder in begun if folder not in again])
        for folder in begun:
            if folder not in again and (shown := self._differing(folder)):
                raise UserError(
                    f"{self.context.run.path}: {folder.title} was made with other settings or from "
                    f"other rounds ({shown}). Restore those settings, or repeat it and all later "
                    f"stages with --redo {folder.spec.name} (the old files move to superseded/; "
                    "nothing is deleted)."
                )
        return again

    def _inputs(self, folder: StageFolder) -> Iterator[tuple[str, str | None]]:
        """Yield the inputs of a stage: names of other stages, with the digests of their output."""
        spec, number = folder.spec, folder.number
        for name in (*spec.reads, *spec.part_reads.get(folder.part, ())):
            yield name, self._made(name, number)
        for earlier in self._rounds(folder):
            for name in spec.rounds:
                yield f"{earlier:02d}/{name}", self._made(name, earlier)
        role = folder.part if spec is TRAIN else spec.adapter
        if role and number is not None:
            earlier = number if spec.trained else number - 1
            yield role, self._made(f"{TRAIN.name}/{role}", earlier) if earlier else None
        if spec is EXPAND and self.context.config.expand.strategy == "auto":
            yield f"01/{STRATEGY.name}", self._made(STRATEGY.name, 1)

    def _prompt_names(self, spec: StageSpec) -> Iterator[str]:
        """Yield the prompts of a stage, those of the run's strategy and a system turn included."""
        yield from (name for name in spec.prompts if name != SYSTEM or name in self._prompts)
        if spec.strategy_prompts and (kind := chosen(self.context.config.expand, self.context.run)):
            yield from spec.strategy_prompts[kind]

    def _rounds(self, folder: StageFolder) -> range:
        """Return the rounds that a stage may read: those before, or all where it comes after."""
        if folder.number is None:
            return range(1, self.context.run.finished() + 1)
        return range(1, folder.number)

    def _made(self, name: str, number: int | None) -> str | None:
        """Return the digest of a stage's output, by its folder's name; None until it is done."""
        done = self.context.run.named(name, number).done()
        return done.digest if done else None

    def _by_content(self, instruct: dict[str, Any]) -> dict[str, Any]:
        """Return a section `instruct` whose source counts by its instructions, not by its name."""
        values = {name: value for name, value in instruct.items() if name != "field"}
        return values | {"source": self._source}

    def _add_gate(self, folder: StageFolder, identity: Identity) -> None:
        """Add the gate that a stage's expansions passed; without one, there is no trace of it."""
        gate = self.context.config.gate
        if gate.by == "off" or folder.spec not in (DATASET, UNION):
            return
        # The inputs alone would not show a gate that is turned on after the stage was done.
        identity["gate"] = identity_of(gate)
        if folder.spec is DATASET:
            identity["inputs"][GATE.name] = self._made(GATE.name, folder.number)
            return
        for number in self._rounds(folder):
            identity["inputs"][f"{number:02d}/{GATE.name}"] = self._made(GATE.name, number)

    def _add_curation(self, folder: StageFolder, identity: Identity) -> None:
        """Add the steps that select rows; without steps, an identity has no trace of them."""
        spec, config = folder.spec, self.context.config
        if spec is CURATE:
            identity["files"] = files(config.curate)
        if spec in (CURATE, TRAIN) and config.curate:
            identity["curate"] = listed(config.curate)
            if spec is TRAIN:
                identity["inputs"][CURATE.name] = self._made(CURATE.name, folder.number)
        anneal = config.finish.anneal
        if anneal.steps and (spec in (ANNEAL, MERGE) or folder.part == "final"):
            identity["anneal"] = identity_of(anneal) | {"steps": listed(anneal.steps)}
            if spec is ANNEAL:
                identity["files"] = files(anneal.steps)
            else:
                identity["inputs"][ANNEAL.name] = self._made(ANNEAL.name, None)

    def _differing(self, folder: StageFolder) -> str:
        """Return what differs between a stage on disk and the configuration, or nothing."""
        differing = list(differences(folder.identity() or {}, self.of(folder)))
        return "; ".join(differing[:4]) + (" …" if len(differing) > 4 else "")


def _digest(value: object) -> str:
    return fingerprint(value).hex()
