"""Syntax trees from several threads at once: CPython 3.11's own parser fails there within a second."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

from tilewright.syntax import tree_of

TEXT = "\n".join(f"def f{i}(x): return ((({'+'.join(['x'] * 30)})))" for i in range(40))


def test_many_threads_may_read_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ast.dump(tree_of(TEXT)), range(40)))
    assert set(found) == {ast.dump(ast.parse(TEXT))}
