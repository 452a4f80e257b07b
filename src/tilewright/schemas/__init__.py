"""JSON schemas of everything that is written to disk or printed by `--json`, as files beside this one.

They are made from the nouns themselves: `python -m tilewright.schemas` writes them again, and a test compares.
"""

from __future__ import annotations

import json
import pkgutil
from importlib import import_module
from pathlib import Path

import tilewright

from ..schema import Noun

FOLDER = Path(__file__).parent
# Programs that run inside a child, or as a command: importing them starts something.
_PROGRAMS = ("__main__", "program", "nursery_program", "cross_program", "_probe_main")


def nouns() -> dict[str, type[Noun]]:
    """Every noun of the package by name; importing all modules finds them."""
    for module in pkgutil.walk_packages(tilewright.__path__, "tilewright."):
        if module.name.rsplit(".", 1)[-1] not in _PROGRAMS:
            import_module(module.name)
    found: dict[str, type[Noun]] = {}
    queue = [Noun]
    while queue:
        for noun in queue.pop().__subclasses__():
            queue.append(noun)
            if noun.__module__.startswith("tilewright."):
                found[noun.__name__ if noun.__name__ not in found else f"{_stem(noun)}_{noun.__name__}"] = noun
    return dict(sorted(found.items()))


def schema(noun: type[Noun]) -> str:
    """Return the JSON schema of `noun` as text; what is never written (callables) is not in it."""
    return json.dumps(noun.model_json_schema(mode="serialization"), indent=1, sort_keys=True) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the schema of every noun into `folder`, remove those of nouns that are gone, and return the files."""
    texts = {folder / f"{name}.json": schema(noun) for name, noun in nouns().items()}
    for path in set(folder.glob("*.json")) - set(texts):
        path.unlink()
    for path, text in texts.items():
        path.write_text(text)
    return sorted(texts)


def _stem(noun: type[Noun]) -> str:
    return noun.__module__.rsplit(".", 1)[-1]
