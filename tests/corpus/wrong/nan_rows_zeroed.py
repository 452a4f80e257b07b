import torch

CORPUS = {
    "problem": "masked_softmax",
    "kind": "wrong",
    "what": "gives zeros where a whole row is masked, and the reference says NaN",
    "source": "attention kernels that guard against empty rows",
    "defence": "NaN exactly where the truth has it",
    "device": "cpu",
    "fast": True,
}


def masked_softmax(x, mask):
    return torch.nan_to_num(torch.softmax(x.masked_fill(mask, float("-inf")), -1))
