"""`curate measure` and `curate fit`: indicators of rows, and a rule from a table of subsets."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selflengthen.cli.curate.choosing import (
    ProgressPrinter,
    add_options,
    figure,
    open_data,
    options_in,
    parser_of,
)
from selflengthen.cli.options.parser import Parser, file_name
from selflengthen.errors import UserError
from selflengthen.storage.atomic import check_new_file

if TYPE_CHECKING:
    from selflengthen.curate.indicators.models import Models
    from selflengthen.curate.rule.rules import Rule

RULE_OUT = "where to write the rule, a .yaml file"


def measure(words: Sequence[str], about: str) -> int:
    """Write the indicators of each row as JSONL, and print their means."""
    import msgspec

    from selflengthen.curate.indicators.registry import check
    from selflengthen.curate.indicators.registry import measure as measure_rows
    from selflengthen.curate.io import write
    from selflengthen.curate.steps import IndicatorModels

    parser = parser_of("measure", about)
    add_indicators(parser)
    names = add_options(parser, IndicatorModels, "models of indicators")
    args = parser.parse(words)
    out = Path(args.out)
    indicators = args.indicators.split(",")
    write.check_output(out)
    models = models_of(options_in(args, names))
    check(indicators, models)
    rows, _ = open_data(args)
    measured = measure_rows(rows, indicators, models)
    lines = zip(rows.numbers.tolist(), rows.ids(), measured.values.tolist(), strict=True)
    write.write_lines(
        out,
        (
            msgspec.to_builtins(write.row_head(rows, number, own_id))
            | dict(zip(indicators, values, strict=True))
            for number, own_id, values in lines
        ),
    )
    means = dict(zip(indicators, measured.values.mean(0).round(4).tolist(), strict=True))
    report = {"rows": len(rows), "out": str(out), "mean": means, "cut": dict(measured.cut)}
    print(json.dumps(report, indent=1) if args.json else f"{len(rows):,} rows in {out}")
    if not args.json:
        print(f"mean: {figure(means)}")
    return 0


def add_indicators(parser: Parser) -> None:
    """Add the required option `--indicators`."""
    parser.add_argument(
        "--indicators", metavar="A,B", required=True, help="which indicators, separated by commas"
    )


def models_of(options: Mapping[str, str]) -> Models:
    """Return the models that options name; raises UserError for a bad `--batch`."""
    import msgspec

    from selflengthen.curate.steps import IndicatorModels, check_names

    check_names(options, "--")
    try:
        named: IndicatorModels = msgspec.convert(dict(options), IndicatorModels, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"--batch: {error}.") from error
    return named.models(ProgressPrinter(sys.stderr))


def fit(words: Sequence[str]) -> int:
    """Fit a rule to a table of subsets and their losses."""
    parser = Parser(
        "curate fit",
        "Fit a rule by least squares. TABLE is JSONL with one subset per line: `indicators`, an\n"
        "object of their means, and `loss`, the loss of the model fine-tuned on the subset.\n"
        "With --evaluation SET, `fit` takes a data set instead, and fine-tunes a model on each of\n"
        "its subsets; see `--evaluation SET --help`.",
    )
    parser.add_argument("table", metavar="TABLE", type=file_name, help="the subsets")
    parser.add_argument("--out", metavar="FILE", type=file_name, required=True, help=RULE_OUT)
    parser.add_argument(
        "--indicators", metavar="A,B", default="", help="which indicators (default: all)"
    )
    add_target(parser)
    parser.add_argument("--json", action="store_true", help="print the rule as JSON")
    args = parser.parse(words)

    from selflengthen.curate.rule import rules
    from selflengthen.curate.rule.fit import least_squares, read

    out = Path(args.out)
    check_new_file(out)
    subsets = read(Path(args.table))
    indicators = args.indicators.split(",") if args.indicators else ()
    rule = least_squares(subsets, indicators, args.target)
    rules.save(rule, out)
    print_rule(rule, out, as_json=args.json)
    return 0


def add_target(parser: Parser) -> None:
    """Add the option `--target`."""
    parser.add_argument(
        "--target", choices=["log loss", "loss"], default="log loss", help="what the rule predicts"
    )


def print_rule(rule: Rule, out: Path, *, as_json: bool) -> None:
    """Print a fitted rule with its statistics."""
    import msgspec

    if as_json:
        print(json.dumps(msgspec.to_builtins(rule), indent=1))
        return
    assert rule.fit is not None
    from selflengthen.cli.output.tables import print_table

    terms = {"intercept": (rule.intercept, rule.fit.intercept)}
    terms |= {name: (weight, rule.fit.weights[name]) for name, weight in rule.weights.items()}
    table = [["", "weight", "std. error", "p"]]
    for name, (weight, term) in terms.items():
        table.append([name, f"{weight:.5g}", f"{term.standard_error:.3g}", f"{term.p_value:.2g}"])
    print_table(table)
    print(f"R² {rule.fit.r_squared:.3f} over {rule.fit.subsets} subsets; the rule is in {out}")
