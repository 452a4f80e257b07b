"""A launch whose constants are settled: the first call compiles, later ones go straight to the compiled kernel.

Triton binds and specialises every argument again on each call, which costs a kernel of twenty arguments more than
16 us; the compiled kernel alone costs about 8. A launcher that keeps one `Prepared` for each set of facts that a
kernel is specialised for (dtypes, alignment, constants, and integers as far as they are specialised) saves that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Prepared:
    """`kernel` on a grid of `programs`, its last parameters set to `constants`, compiled with `options`.

    Serves one device, and only arguments for which Triton would choose the same specialisation. Where nothing is
    compiled, because launches are interpreted or recorded, every call goes through Triton.
    """

    __slots__ = ("_constants", "_grid", "_kernel", "_options", "_run")

    def __init__(self, kernel: Any, programs: int, constants: tuple[Any, ...], **options: int) -> None:
        self._kernel, self._grid = kernel, (programs, 1, 1)
        self._constants, self._options = constants, options
        self._run: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> None:
        if self._run is not None:
            self._run(*arguments, *self._constants)
            return
        compiled = self._kernel[self._grid](*arguments, *self._constants, **self._options)
        if compiled is not None:
            self._run = compiled[self._grid]
