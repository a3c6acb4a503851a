"""`curate measure` and `curate fit`: indicators of rows, and a rule of a table of subsets."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selflengthen.cli.curate.choosing import Teller, add_options, figure, given, opened, parser_of
from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.cli.output.format import visible
from selflengthen.errors import UserError

if TYPE_CHECKING:
    from selflengthen.curate.rule.rules import Rule


def measure(words: Sequence[str], about: str) -> int:
    """Write the indicators of each row."""
    from selflengthen.curate.indicators.registry import check
    from selflengthen.curate.indicators.registry import measure as measured_of
    from selflengthen.curate.io import write
    from selflengthen.curate.steps import WithModels

    parser = parser_of("measure", about)
    parser.add_argument("--indicators", metavar="A,B", required=True, help="which, with commas")
    names = add_options(parser, WithModels, "models of indicators")
    asked = parser.parse(words)
    out, wanted = Path(asked.out), asked.indicators.split(",")
    write.refuse_existing(out)
    models = with_models(given(asked, names))
    check(wanted, models)
    rows, _ = opened(asked)
    measured = measured_of(rows, wanted, models)
    heads = (
        write.row_head(rows, number, own)
        for number, own in zip(rows.numbers.tolist(), rows.ids(), strict=True)
    )
    values = (dict(zip(wanted, line, strict=True)) for line in measured.values.tolist())
    write.write_lines(out, (head | line for head, line in zip(heads, values, strict=True)))
    means = dict(zip(wanted, measured.values.mean(0).round(4).tolist(), strict=True))
    report = {"rows": len(rows), "out": str(out), "mean": means, "cut": dict(measured.cut)}
    print(json.dumps(report, indent=1) if asked.json else f"{len(rows):,} rows in {out}")
    if not asked.json:
        print(f"mean: {figure(means)}")
    return 0


def with_models(named: Mapping[str, str]) -> Any:
    """Return the models that options name."""
    import msgspec

    from selflengthen.curate.steps import WithModels, check_names

    check_names(named, "--")
    try:
        return msgspec.convert(dict(named), WithModels, strict=False).models(Teller(sys.stderr))
    except msgspec.ValidationError as error:
        raise UserError(f"--batch: {error}.") from error


def fit(words: Sequence[str]) -> int:
    """Make a rule of a table."""
    parser = Parser(
        "curate fit",
        "Make a rule by least squares. TABLE is JSONL, a subset a line: `indicators`, an object\n"
        "of means, and `loss`, that of the model tuned on it.\n"
        "With --evaluation SET it takes a data set in place of the table, and tunes a model on\n"
        "subsets of it; `--evaluation SET --help` tells of that.",
    )
    parser.add_argument("table", metavar="TABLE", type=file_name, help="the subsets")
    parser.add_argument(
        "--out", metavar="FILE", type=file_name, required=True, help="where the rule goes: .yaml"
    )
    parser.add_argument("--indicators", metavar="A,B", default="", help="which; default: all")
    parser.add_argument(
        "--target", choices=["log loss", "loss"], default="log loss", help="what it predicts"
    )
    parser.add_argument("--json", action="store_true", help="print the rule as JSON")
    asked = parser.parse(words)

    from selflengthen.curate.rule import rules
    from selflengthen.curate.rule.fit import least_squares, read

    out = Path(asked.out)
    refuse_existing(out)
    subsets = read(Path(asked.table))
    wanted = asked.indicators.split(",") if asked.indicators else ()
    rule = least_squares(subsets, wanted, asked.target)
    rules.save(rule, out)
    tell(rule, out, as_json=asked.json)
    return 0


def refuse_existing(out: Path) -> None:
    """Raise UserError where a rule's place is taken, or its folder is missing."""
    if out.exists():
        raise UserError(f"{out}: is there already; move it away, or give another --out.")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; make it, or give another --out.")


def tell(rule: Rule, out: Path, *, as_json: bool) -> None:
    """Print a rule with its statistics."""
    import msgspec

    if as_json:
        print(json.dumps(msgspec.to_builtins(rule), indent=1))
        return
    assert rule.fit is not None
    print(f"{'':<20} {'weight':>12} {'std. error':>12} {'p':>10}")
    terms = {"intercept": (rule.intercept, rule.fit.intercept)}
    terms |= {name: (weight, rule.fit.weights[name]) for name, weight in rule.weights.items()}
    for name, (weight, term) in terms.items():
        said = f"{weight:>12.5g} {term.standard_error:>12.3g} {term.p_value:>10.2g}"
        print(f"{visible(name):<20} {said}")
    print(f"R² {rule.fit.r_squared:.3f} over {rule.fit.subsets} subsets; the rule is in {out}")
