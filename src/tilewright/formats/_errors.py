"""What can be wrong with what a user hands us. Each message is one line: what was wrong, and what would be right."""

from __future__ import annotations


class InputError(Exception):
    """Wrong usage, or a file that cannot be read: the command line ends with exit code 2."""

    exit_code = 2


class MachineError(InputError):
    """A fine request that this machine cannot serve (no GPU, too little memory, no compiler): exit code 3."""

    exit_code = 3
