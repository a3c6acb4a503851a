"""The commands. Each imports what it needs only when it is called, so that help is quick."""

from __future__ import annotations

import importlib
import re
import resource
import sys
from collections.abc import Sequence

from selflengthen.cli.output.streams import ReaderGone, safe_streams
from selflengthen.errors import SelfLengthenError, UserError, refused

COMMANDS = {
    "run": "run rounds of instructions, drafts, expansions and training, or resume them",
    "collect": "write more texts with the last generator; build one data set of all rounds",
    "finish": "add length requirements to the data, and fine-tune the base model on them",
    "status": "show the progress of a run: words, rejections, time left, the table of rounds",
    "show": "show a text and where it came from, or list the texts of a stage",
    "check": "verify that every file of a run is what was written",
    "score": "score existing responses: LonGen, LongBench-Write, LIFEBench, quality",
    "evaluate": "run a benchmark on models, or on all rounds of a run, side by side",
    "estimate": "estimate the tokens, hours, memory and disk space that a run takes",
    "curate": "select the rows to train on, from any data set",
    "pocket": "rebuild the embedded model from scratch",
}
_FILES = 64
"""Open files that a process needs at least."""
_USAGE = """usage: python -m selflengthen COMMAND ...

Teach a language model to write long texts, using only its own texts (arXiv 2410.23933).

commands:
{commands}

options:
  -h, --help     show this text; COMMAND --help describes a command
  --version      show the version

Without options, `python -m selflengthen run` runs three rounds with the embedded model."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; 2 means bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    with safe_streams():
        try:
            return _main(words)
        except SelfLengthenError as error:
            _complain(str(error))
            return error.exit_code
        except KeyboardInterrupt:
            _complain("interrupted.")
            return 130
        except ReaderGone:  # as after `status | head`
            return 1
        except (OSError, UnicodeEncodeError) as error:
            message = refused(error)
            if message is None:
                raise
            _complain(message)
            return 1


def _check_limit() -> None:
    """Raise UserError where the limit on open files is too low to start an event loop."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= files < _FILES:
        raise UserError(
            f"this process may open only {files} files; raise the limit (`ulimit -n 1024`), then "
            "run the same command again."
        )


def _complain(message: str) -> None:
    """Print an error in one line; a password in an address is not shown."""
    line = re.sub(r"://[^\s/@]+@", "://…@", " ".join(message.split()))
    print(f"selflengthen: {line}", file=sys.stderr)


def _main(words: list[str]) -> int:
    name = words[0] if words else "--help"
    code = 0
    if name in ("-h", "--help", "help"):
        listed = "\n".join(f"  {name:<13}  {line}" for name, line in COMMANDS.items())
        print(_USAGE.format(commands=listed))
    elif name == "--version":
        from selflengthen import __version__

        print(__version__)
    elif name in COMMANDS:
        _check_limit()
        command = importlib.import_module(f"selflengthen.cli.{name}")
        try:
            code = command.main(words[1:])
        except SystemExit:  # argparse has printed a help text
            sys.stdout.flush()
            raise
    else:
        from selflengthen.cli.options.parser import nearest

        raise UserError(f"no command {name!r}{nearest(name, COMMANDS)}; see --help.")
    sys.stdout.flush()  # inside safe_streams, which knows whether the reader is gone
    return code
