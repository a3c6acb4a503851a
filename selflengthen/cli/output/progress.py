"""Shows the progress of a run: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from selflengthen.cli.output.format import counted, duration, visible
from selflengthen.cli.output.streams import for_people, for_rich

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from selflengthen.storage.records import Record, Rejection
    from selflengthen.training.steps import TrainingStep

EVERY = 10.0
"""Seconds between two plain lines."""
_REDRAW = 0.2
"""Seconds between two updates of the bar."""


class Reporter:
    """Counts texts and training steps, and writes progress and notes to a terminal or a file."""

    def __init__(self, out: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        """Write to `out`, with a bar if it is a terminal that can show one."""
        self._out = for_people(out)
        plain = environment.get("CI") or environment.get("TERM", "dumb") == "dumb"
        self._live = out.isatty() and not plain
        self._bar: Bar | None = None
        self._title, self._total, self._tokens = "", 0, 0
        self._reset("", 0, 0)

    # Called by the runner of a stage.

    def begin(self, title: str, total: int, done: int) -> None:
        """Start a stage of texts."""
        self._reset(title, total, done)
        self._start()

    def accepted(self, record: Record) -> None:
        """Count an accepted text."""
        self._done += 1
        self._words += record.words
        self._tokens += record.tokens - self._tried.pop(record.id, 0)
        self._show()

    def rejected(self, rejection: Rejection) -> None:
        """Count a rejected attempt; the last one ends its item."""
        self._rejections += 1
        self._tokens += rejection.tokens
        self._tried[rejection.id] = self._tried.get(rejection.id, 0) + rejection.tokens
        if rejection.last:
            self._done += 1
            del self._tried[rejection.id]
        self._show()

    def end(self) -> None:
        """Print the last line of the stage."""
        if self._title:
            self._stop()
            self._line(self._summary(over=True))
            self._title = ""

    # Called by the command.

    def train(self, title: str, total: int, done: int) -> None:
        """Start a training of about `total` steps."""
        self._reset(title, total, done)
        self._training = True
        self._start()

    def step(self, step: TrainingStep) -> None:
        """Count a training step."""
        self._done = step.step
        self._tokens += step.tokens
        self._loss = step.loss
        self._total = max(self._total, self._done)
        self._show()

    def note(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._line(" ".join(visible(text).split()))

    def close(self) -> None:
        """Remove the bar; the stage is not finished."""
        self._stop()
        self._title = ""

    def _reset(self, title: str, total: int, done: int) -> None:
        self.close()
        self._title, self._total, self._done, self._before = title, total, done, done
        self._rejections = self._words = self._tokens = 0
        self._tried: dict[str, int] = {}
        self._training, self._loss = False, float("nan")
        self._began = self._shown = time.monotonic()

    def _start(self) -> None:
        if not self._live:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        console = Console(file=for_rich(self._out), markup=False, emoji=False, highlight=False)
        self._bar = Progress(
            SpinnerColumn("line"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            transient=True,
            refresh_per_second=5,
            # What libraries print goes to the log, not above the bar.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bar.add_task(self._title, total=self._total, completed=self._done, figures="")
        self._bar.start()
        self._show(now=True)

    def _stop(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.stop()

    def _show(self, *, now: bool = False) -> None:
        """Show the progress of the stage, if it is time."""
        passed = time.monotonic() - self._shown
        if not now and passed < (_REDRAW if self._bar else EVERY):
            return
        self._shown = time.monotonic()
        if self._bar is not None:
            task = self._bar.task_ids[0]
            figures = self._figures()
            self._bar.update(task, total=self._total, completed=self._done, figures=figures)
        elif self._title:
            self._line(self._summary())

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, soft_wrap=True)
        else:
            print(text, file=self._out, flush=True)

    def _summary(self, *, over: bool = False) -> str:
        return f"{self._title}: {self._figures(over=over)}"

    def _figures(self, *, over: bool = False) -> str:
        """Write items done, rejections, words, tokens per second, and the time left or taken.

        Items done include those of earlier starts; all else counts from this start.
        """
        seconds = time.monotonic() - self._began
        parts = [f"{self._done:,}/{self._total:,} done"]
        if self._training:
            # The total is an estimate: in the end, only the steps that were done are certain.
            step = f"step {self._done:,}/{self._total:,}"
            parts = [counted(self._done, "step") if over else step]
            if self._done > self._before:
                parts.append(f"loss {self._loss:.3f}")
        else:
            parts.append(f"{counted(self._rejections, 'attempt')} rejected")
            parts.append(counted(self._words, "word"))
        if self._tokens and seconds > 0:
            parts.append(f"{self._tokens / seconds:,.0f} tokens/s")
        new = self._done - self._before
        if over:
            parts.append(f"in {duration(seconds)}")
        elif new and self._total > self._done:
            parts.append(f"{duration(seconds / new * (self._total - self._done))} left")
        return ", ".join(parts)
