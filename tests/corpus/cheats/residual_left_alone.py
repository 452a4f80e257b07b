import torch

CORPUS = {
    "problem": "residual_update",
    "kind": "cheat",
    "what": "returns the norm of the sum, and leaves out the update of the residual that was asked for",
    "source": "own, after KernelBench in-place operators",
    "defence": "what a call must change is judged like an output",
    "device": "cpu",
    "fast": True,
}


def residual_update(x, residual):
    return torch.nn.functional.layer_norm(x + residual, residual.shape[-1:])
