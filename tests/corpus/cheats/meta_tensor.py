import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns a tensor on the meta device, with shape and dtype and no numbers",
    "source": "SOL-ExecBench evil_lazy_output, FakeTensor",
    "defence": "an output lives where the reference's lives",
    "device": "cpu",
}


def row_softmax(x):
    return torch.empty_like(x, device="meta")
