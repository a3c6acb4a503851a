"""Progress: plain lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from selflengthen.cli.output import progress
from selflengthen.cli.output.logs import quiet
from selflengthen.cli.output.progress import Reporter
from selflengthen.storage.records import Record, Rejection
from selflengthen.training.steps import TrainingStep


def record(name: str, words: int, tokens: int) -> Record:
    return Record(
        id=name, source=None, text="", attempts=1, words=words, tokens=tokens, seed=0,
        finish_reason="stop", seconds=1.0,
    )  # fmt: skip


def rejection(name: str, tokens: int, *, last: bool = False) -> Rejection:
    return Rejection(
        id=name, source=None, attempt=1, reason="length", text="", words=0, tokens=tokens, seed=0,
        finish_reason="length", seconds=1.0, last=last,
    )  # fmt: skip


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr(progress, "time", ticking)
    return ticking


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_are_few(clock: Clock) -> None:
    out = io.StringIO()
    reporter = Reporter(out, {"TERM": "xterm"})
    reporter.begin("01/2-draft", total=100, done=40)
    for number in range(50):
        clock.now += 0.5
        reporter.accepted(record(f"a{number}", words=100, tokens=150))
    reporter.end()
    lines = out.getvalue().splitlines()
    assert (
        lines[0]
        == "01/2-draft: 60/100 done, 0 attempts rejected, 2,000 words, 300 tokens/s, 20 s left"
    )
    assert (
        lines[-1]
        == "01/2-draft: 90/100 done, 0 attempts rejected, 5,000 words, 300 tokens/s, in 25 s"
    )
    assert len(lines) == 3


def test_tokens_of_refused_attempts_count_once(clock: Clock) -> None:
    out = io.StringIO()
    reporter = Reporter(out, {})
    reporter.begin("01/2-draft", total=2, done=0)
    reporter.rejected(rejection("a", tokens=30))
    reporter.accepted(record("a", words=10, tokens=50))  # its own 20 and the refused 30
    reporter.rejected(rejection("b", tokens=50, last=True))
    clock.now += 1
    reporter.end()
    assert (
        out.getvalue()
        == "01/2-draft: 2/2 done, 2 attempts rejected, 10 words, 100 tokens/s, in 1 s\n"
    )


def test_one_is_singular_and_a_resumed_stage_counts_all_its_items(clock: Clock) -> None:
    out = io.StringIO()
    reporter = Reporter(out, {})
    reporter.begin("01/3-expand", total=72, done=70)
    reporter.rejected(rejection("a", tokens=10))
    reporter.accepted(record("a", words=1, tokens=20))
    reporter.accepted(record("b", words=0, tokens=20))
    clock.now += 4
    reporter.end()
    assert out.getvalue() == (
        "01/3-expand: 72/72 done, 1 attempt rejected, 1 word, 10 tokens/s, in 4 s\n"
    )


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true", "TERM": "xterm"}, {}])
def test_no_bar_where_none_can_be_shown(environment: dict[str, str]) -> None:
    out = Terminal()
    reporter = Reporter(out, environment)
    reporter.begin("01/2-draft", total=1, done=0)
    reporter.accepted(record("a", words=1, tokens=1))
    reporter.end()
    assert "\x1b" not in out.getvalue() and out.getvalue().count("\n") == 1


def test_a_bar_in_a_terminal_and_notes_above_it() -> None:
    out = Terminal()
    reporter = Reporter(out, {"TERM": "xterm"})
    reporter.train("01/5-train generator", total=10, done=0)
    reporter.note("engine: [bold]vllm[/bold]\x1b[2J")
    reporter.step(TrainingStep(step=3, loss=1.25, learning_rate=1e-4, tokens=900, seconds=1.0))
    reporter.end()
    shown = out.getvalue()
    assert "engine: [bold]vllm[/bold]␛[2J" in shown
    assert "\x1b[2J" not in shown
    assert "01/5-train generator: 3 steps, loss 1.250" in shown.splitlines()[-1]


def test_what_libraries_print_while_a_bar_is_shown_goes_to_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, out = tmp_path / "log", Terminal()
    log.touch()
    with capfd.disabled(), quiet(log):
        reporter = Reporter(out, {"TERM": "xterm"})
        reporter.begin("01/2-draft", total=2, done=0)
        print("printed\x9b31m by a library")
        print("complained", file=sys.stderr)
        reporter.note("a note")
        reporter.end()
    shown = out.getvalue()
    assert "a note" in shown and "library" not in shown and "complained" not in shown
    assert "printed\\u009b31m by a library" in log.read_text("utf-8")
