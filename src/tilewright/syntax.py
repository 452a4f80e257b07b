"""Python text as a syntax tree, from any thread.

CPython 3.11 counts how deep it recurses into a tree in one place for all threads, and fails with a SystemError when two
of them build one at the same time (python/cpython#106905). So here only one does.
"""

from __future__ import annotations

import ast
import threading
from typing import Any

one_at_a_time = threading.RLock()


def tree_of(text: str, filename: str = "<unknown>", mode: str = "exec") -> Any:
    """As `ast.parse`, with its errors."""
    with one_at_a_time:
        return ast.parse(text, filename, mode)
