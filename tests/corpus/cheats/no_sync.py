import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "replaces torch.cuda.synchronize, so that the clock stops before the work is done",
    "source": "SOL-ExecBench evil_monkey_patch",
    "defence": "the parent's own clock over every block",
    "device": "gpu",
}

torch.cuda.synchronize = lambda *_: None
torch.cuda.Stream.synchronize = lambda *_: None
torch.cuda.Event.synchronize = lambda *_: None


def row_softmax(x):
    return torch.softmax(x, -1)
