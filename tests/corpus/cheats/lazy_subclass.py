import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "returns a tensor subclass that computes when it is read",
    "source": "CUDA-L1; reference-kernels #161",
    "defence": "an output is a plain tensor and nothing else",
    "device": "cpu",
    "fast": True,
}


class Lazy(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        done = [torch.softmax(a.as_subclass(torch.Tensor), -1) if isinstance(a, Lazy) else a for a in args]
        return func(*done, **(kwargs or {}))


def row_softmax(x):
    return x.as_subclass(Lazy)
