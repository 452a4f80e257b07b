"""No class at all: a function with the problem's name, and odd names for its argument."""

import torch

CORPUS = {
    "problem": "outer_softmax",
    "kind": "honest",
    "what": "a bare function, which calls its input by another name than the problem does",
    "source": "own",
    "defence": "arguments go by position",
    "device": "cpu",
}


def outer_softmax(logits: torch.Tensor) -> torch.Tensor:
    powers = torch.exp(logits - logits.amax(dim=-1, keepdim=True))
    return powers.div_(powers.sum(dim=-1, keepdim=True))
