"""Progress on stderr, on a terminal: a bar for what is read, posted and waited for; nothing in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """One bar, which shows the step under way. It draws nothing unless ``shown``."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._text = ""

    def step(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show ``text``; ``done`` of ``total`` where the length is known, else a bar that moves."""
        if not self._shown:
            return
        progress = self._started()
        if self._task is None or text != self._text:
            if self._task is not None:
                progress.remove_task(self._task)
            self._text, self._task = text, progress.add_task(text, total=total)
        if done is not None:
            progress.update(self._task, completed=done, total=total)

    def _started(self) -> Progress:
        if self._progress is None:
            from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
            from rich.progress import Progress  # noqa: PLC0415

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._progress.start()
        return self._progress

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None
