import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "replaces Tensor.detach for all tensors, and computes there",
    "source": "KernelGuard TENSOR_INSTANCE_METHOD_OVERRIDE, on the class",
    "defence": "calls on new content are timed by the parent's clock, and claims must agree",
    "device": "cpu",
}

PENDING = {}
_detach = torch.Tensor.detach


def _lazy(self):
    found = PENDING.pop(id(self), None)
    return _detach(self) if found is None else torch.softmax(found, -1)


torch.Tensor.detach = _lazy


def row_softmax(x):
    out = torch.empty_like(x)
    PENDING.clear()
    PENDING[id(out)] = x
    return out
