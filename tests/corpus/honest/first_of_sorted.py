import torch

CORPUS = {
    "problem": "row_argmax",
    "kind": "honest",
    "what": "finds the first maximum by comparison and the least index",
    "source": "kernels without an arg-max",
    "defence": "integers are exact",
    "device": "cpu",
}


def row_argmax(x):
    q = torch.round(x * 4)
    columns = torch.arange(x.shape[1])
    return torch.where(q == q.amax(-1, keepdim=True), columns, x.shape[1]).amin(-1)
