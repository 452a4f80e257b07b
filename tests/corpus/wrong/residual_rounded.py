import torch

CORPUS = {
    "problem": "residual_update",
    "kind": "wrong",
    "what": "updates the residual through bfloat16 and norms the exact sum",
    "source": "a store in the wrong type",
    "defence": "what a call must change is judged like an output",
    "device": "cpu",
}


def residual_update(x, residual):
    total = x + residual
    residual.copy_(total.bfloat16())
    return torch.nn.functional.layer_norm(total, total.shape[-1:])
