"""What cannot be done, and what `--json` prints when there is no result: the line that stderr has too."""

from __future__ import annotations

from .schema import Noun


class Failure(Noun):
    """Why a command has no result. `status` is INPUT_ERROR (exit code 2), MACHINE_ERROR (3), INTERRUPTED (130), or
    DEFECT (70), which is a fault of tilewright itself."""

    status: str
    detail: str
    exit_code: int


class CannotDo(Exception):
    """This machine cannot do what was asked; the message says what is missing."""


class WeakSandbox(CannotDo):
    """The candidate could read this process, so that nothing can be certified."""
