import torch

CORPUS = {
    "problem": "residual_update",
    "kind": "honest",
    "what": "computes the sum apart and copies it to the residual",
    "source": "own",
    "defence": "what the reference changes may change, to the same values",
    "device": "cpu",
}


def residual_update(x, residual):
    total = torch.add(residual, x)
    residual.copy_(total)
    return torch.nn.functional.layer_norm(total, total.shape[-1:])
