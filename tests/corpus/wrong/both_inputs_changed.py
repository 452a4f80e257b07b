import torch

CORPUS = {
    "problem": "residual_update",
    "kind": "wrong",
    "what": "leaves the sum in x too",
    "source": "own",
    "defence": "only what the reference changes may change",
    "device": "cpu",
}


def residual_update(x, residual):
    x.add_(residual)
    residual.copy_(x)
    return torch.nn.functional.layer_norm(x, x.shape[-1:])
