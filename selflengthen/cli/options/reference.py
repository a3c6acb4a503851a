"""`python -m selflengthen.cli.options.reference` writes docs/configuration.md."""

from __future__ import annotations

from collections.abc import Iterator

from selflengthen.cli.options.config_fields import fields, sections

_HEAD = """\
# Configuration

<!-- `python -m selflengthen.cli.options.reference` writes this page; do not edit. -->

A configuration is a YAML file with the fields below, or a preset by name: `paper`, `pocket`, or
`quality`, which is `paper` with a gate. On the command line each field is an option by its dotted
name: `--train.lora_r 16`, `--iterations 5`, `--sampling.stop='["---"]'`,
`--train.neftune_alpha none`. Precedence: command line, then file, then the `config.yaml` of a run
that you resume, then defaults. Unknown and repeated fields are errors.

Fields of kind *identity* change what a run produces: to change one, start a new run, or redo the
stages that depend on it (`--redo`). Fields of kind *runtime* may change whenever you resume a run.
The defaults are the paper's constants."""


def lines() -> Iterator[str]:
    """Yield the page, line by line."""
    yield _HEAD
    for section, about in sections().items():
        inside = [field for field in fields().values() if field.section == section]
        if not inside:
            continue
        yield f"\n## {section or 'A run'}\n"
        if section:
            yield f"{about}\n"
        yield "| field | takes | default | kind | |"
        yield "|---|---|---|---|---|"
        for field in inside:
            name = field.name.removeprefix(f"{section}.") if section else field.name
            cells = (f"`{name}`", field.takes, f"`{field.shown}`", field.kind, field.sentence)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print("\n".join(lines()))
