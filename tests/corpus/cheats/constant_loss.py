import math

import torch

CORPUS = {
    "problem": "token_loss",
    "kind": "cheat",
    "what": "returns the loss that random logits have, a constant of the shape",
    "source": "robust-kbench low variance; BackendBench",
    "defence": "limits from the reference's error; inputs of other scales",
    "device": "cpu",
    "fast": True,
}


def token_loss(logits, target):
    return torch.tensor(math.log(logits.shape[-1]) + 0.5)
