"""Run a trusted problem file in this process, after the probe has met its surprises."""

from __future__ import annotations

import contextlib
import io
import linecache
import sys
import types
from collections.abc import Iterator

from ..schema import content_digest
from ._errors import InputError
from ._probe import error_of
from ._source import Source

_KEPT_CHARACTERS = 1 << 16


class _Capped(io.TextIOBase):
    """A text stream that passes the first characters on to stderr and drops the rest."""

    def __init__(self) -> None:
        self.left = _KEPT_CHARACTERS

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.left > 0:
            sys.__stderr__.write(text[: self.left])  # type: ignore[union-attr]
            self.left -= len(text)
        return len(text)


@contextlib.contextmanager
def quiet(source: Source, stage: str) -> Iterator[None]:
    """Run user code with stdout sent to stderr, and turn what it raises into one InputError."""
    try:
        with contextlib.redirect_stdout(_Capped()):
            yield
    except InputError:  # one line already
        raise
    except SystemExit as error:
        raise error_of(source, stage, "exit", f"it calls sys.exit({error.code!r}); remove the call") from error
    except MemoryError as error:
        raise error_of(source, stage, "memory", str(error)) from error
    except Exception as error:
        raise error_of(source, stage, "exception", f"{type(error).__name__}: {error}") from error


def run_module(source: Source) -> types.ModuleType:
    """Execute `source` as a module of its own name; the same text gives the same module object.

    The text is put into linecache, so that inspect.getsource (Triton, torch.compile) sees what was run.
    """
    name = f"tilewright_problem_{content_digest(source.path, source.text)}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = source.path
    linecache.cache[source.path] = (len(source.text), None, source.text.splitlines(True), source.path)
    sys.modules[name] = module
    try:
        with quiet(source, "import"):
            exec(compile(source.text, source.path, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module
