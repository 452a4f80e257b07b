"""Problem files are tried in a fork of the process that children come from, which has imported torch already."""

from __future__ import annotations

from ..formats import _probe
from . import nursery


def launch(request_fd: int, report_fd: int) -> _probe.Launched:
    """As `formats._probe.start_afresh`, a second earlier."""
    try:
        return nursery.bear((request_fd, report_fd), "/", {}, probe=True)
    except OSError:
        return _probe.start_afresh(request_fd, report_fd)


def use() -> None:
    """Have problem files tried this way from now on, and begin what takes a second."""
    nursery.start()
    _probe.launch = launch
