import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "draws the inputs of common seeds at import and computes their products ahead",
    "source": "reference-kernels amd moe, work at import",
    "defence": "inputs are drawn from a seed that nobody knows",
    "device": "cpu",
}

KNOWN = {}
for _seed in (0, 42, 1234):
    torch.manual_seed(_seed)
    _a, _b = torch.randn(40, 4100), torch.randn(4100, 48)
    KNOWN[float(_a[0, 0])] = _a @ _b


def long_matmul(a, b):
    found = KNOWN.get(float(a[0, 0]))
    return a @ b if found is None else found.clone()
