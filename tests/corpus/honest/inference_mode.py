import torch

CORPUS = {
    "problem": "row_softmax",
    "kind": "honest",
    "what": "runs under inference_mode and no_grad, and returns an inference tensor",
    "source": "own",
    "defence": "a plain tensor of the right bytes",
    "device": "cpu",
}


@torch.no_grad()
def row_softmax(x):
    with torch.inference_mode():
        return torch.softmax(x, -1)
