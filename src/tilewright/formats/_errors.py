"""What can be wrong with what a user hands us. Each message is one line: what was wrong, and what would be right."""

from __future__ import annotations

_LONGEST = 2000


def one_line(text: str) -> str:
    """Return `text` without line breaks and, where it quotes too much of a strange file, without its middle."""
    text = " ".join(text.splitlines())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


class InputError(Exception):
    """Wrong usage, or a file that cannot be read: the command line ends with exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class MachineError(InputError):
    """A fine request that this machine cannot serve (no GPU, too little memory, no compiler): exit code 3."""

    exit_code = 3
