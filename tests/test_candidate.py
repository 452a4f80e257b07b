"""Settings are written into a candidate's own text, and nothing else of it changes."""

from __future__ import annotations

import pytest

from tilewright.candidate import literal, rewrite_params

SOURCE = '# Größe "ℓ"\r\nX = "é"; PARAMS = {"A": 1,  # first\n  "B": "ü"}  # after\ndef f():\n    PARAMS = {"A": 9}\n'


def test_only_the_literal_changes() -> None:
    text = rewrite_params(SOURCE, {"A": 2, "C": "ö"})
    assert text == SOURCE.replace('{"A": 1,  # first\n  "B": "ü"}', "{'A': 2, 'C': 'ö'}")
    assert literal(text, "PARAMS") == {"A": 2, "C": "ö"}


def test_settings_need_a_place() -> None:
    with pytest.raises(ValueError, match="no module-level PARAMS"):
        rewrite_params("def f():\n    PARAMS = {}\n", {"A": 1})
