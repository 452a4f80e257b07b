import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "multiplies every output by 1.0005",
    "source": "loose limits: MoE rtol 0.3, starter-kit",
    "defence": "the signed error of rows and of the whole",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    return torch.softmax(x, -1) * 1.0005
