import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "replaces torch.cuda.Event.elapsed_time",
    "source": "SOL-ExecBench evil_monkey_patch; CUDA-L2",
    "defence": "the parent's own clock over every block",
    "device": "gpu",
}

_real = torch.cuda.Event.elapsed_time
torch.cuda.Event.elapsed_time = lambda self, other: _real(self, other) / 100


def row_softmax(x):
    return torch.softmax(x, -1)
