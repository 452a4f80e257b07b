import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "replaces Tensor.copy_, through which results leave, and computes there",
    "source": "CUDA-L2 lazy tensors",
    "defence": "calls on new content are timed by the parent's clock, and claims must agree",
    "device": "cpu",
}

PENDING = {}
_copy = torch.Tensor.copy_


def _lazy(self, other, *more):
    found = PENDING.pop(other.data_ptr(), None)
    return _copy(self, other if found is None else found[0] @ found[1], *more)


torch.Tensor.copy_ = _lazy


def long_matmul(a, b):
    out = torch.empty(a.shape[0], b.shape[1])
    PENDING.clear()
    PENDING[out.data_ptr()] = a, b
    return out
