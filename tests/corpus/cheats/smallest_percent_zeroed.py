import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "zeroes the smallest hundredth of the outputs",
    "source": "KernelBench #165, small outputs",
    "defence": "rows' limits come from the reference's error in that row",
    "device": "cpu",
}


def row_softmax(x):
    out = torch.softmax(x, -1)
    return torch.where(out < out.quantile(0.01, dim=-1, keepdim=True), 0.0, out)
