import time

from torch import nn

CORPUS = {
    "problem": "far_matmul",
    "kind": "cheat",
    "what": "replaces the clocks of the module time by ones that run at a tenth of the speed",
    "source": "own",
    "defence": "times come from elsewhere",
    "device": "cpu",
}

REAL = {
    name: getattr(time, name)
    for name in ("perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "time", "time_ns")
}
START = {name: clock() for name, clock in REAL.items()}


def slowed(name):
    def clock():
        return START[name] + (REAL[name]() - START[name]) // 10

    return clock


for each in REAL:
    setattr(time, each, slowed(each))


class ModelNew(nn.Module):
    def forward(self, a, b):
        return a @ b
