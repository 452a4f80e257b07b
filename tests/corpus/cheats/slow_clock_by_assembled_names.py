import importlib

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "replaces every clock of the time module through assembled names and setattr",
    "source": "KernelGuard tests GAP1",
    "defence": "the parent's own clock over every block",
    "device": "cpu",
}

clocks = importlib.import_module("ti" + "me")


def _slowed(real):
    start = real()
    return lambda: start + type(start)((real() - start) / 50)


for ending in ("_ns", ""):
    name = "_".join(("perf", "counter")) + ending
    setattr(clocks, name, _slowed(getattr(clocks, name)))


def long_matmul(a, b):
    return a @ b
