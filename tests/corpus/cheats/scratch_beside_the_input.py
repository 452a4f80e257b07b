import ctypes

import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "cheat",
    "what": "uses the memory behind its input as scratch",
    "source": "CUDA-L2 guard bands",
    "defence": "guard bands around every input",
    "device": "cpu",
    "fast": True,
}


def row_softmax(x):
    after = x.data_ptr() + x.numel() * x.element_size()
    scratch = (ctypes.c_float * 64).from_address(after)
    scratch[0] = float(x[0, 0])
    return torch.softmax(x, -1)
