"""The commands. What a command needs is imported when it is called, so that help is quick."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from selflengthen.errors import SelfLengthenError, UserError, refused

COMMANDS = {
    "run": "make the rounds: instructions, drafts, expansions, training; or go on with them",
    "collect": "more texts by the last generator, and those of all rounds as one data set",
    "finish": "give them length demands, tune the base model on them; what is given away",
    "status": "where a run stands: words, refusals, time left, the table of rounds",
    "show": "a text and where it came from, or the texts of a stage",
    "check": "whether every file of a run is what was written",
    "score": "scores of responses on file: LonGen, LongBench-Write, LIFEBench, quality",
    "evaluate": "a benchmark answered by models or all rounds of a run, scored side by side",
    "estimate": "tokens, hours, memory and disk that a run takes",
    "curate": "choose the rows to train on, from any data set",
    "pocket": "make the embedded model anew, from nothing",
}
_USAGE = """usage: python -m selflengthen COMMAND ...

Teach a language model to write long from nothing but itself (arXiv 2410.23933).

commands:
{commands}

options:
  -h, --help     this text; COMMAND --help tells of a command
  --version      the version

`python -m selflengthen run` alone runs three rounds with the embedded model."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks and return the exit code; 2 is a mistake in what was asked."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _main(words)
    except SelfLengthenError as error:
        print(f"selflengthen: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("selflengthen: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `status | head`: who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        told = refused(error)
        if told is None:
            raise
        print(f"selflengthen: {told}", file=sys.stderr)
        return 1


def _main(words: list[str]) -> int:
    name = words[0] if words else "--help"
    if name in ("-h", "--help", "help"):
        listed = "\n".join(f"  {name:<13}  {line}" for name, line in COMMANDS.items())
        print(_USAGE.format(commands=listed))
        return 0
    if name == "--version":
        from selflengthen import __version__

        print(__version__)
        return 0
    if name not in COMMANDS:
        from selflengthen.cli.options.parser import nearest

        raise UserError(f"no command {name!r}{nearest(name, COMMANDS)}; see --help.")
    command = importlib.import_module(f"selflengthen.cli.{name}")
    code: int = command.main(words[1:])
    sys.stdout.flush()
    return code
