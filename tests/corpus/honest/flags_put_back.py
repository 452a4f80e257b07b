import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "honest",
    "what": "asks for the highest precision while it works, and puts the flag back",
    "source": "williamqwu D40: defensive disabling must pass",
    "defence": "flags may change; numbers decide",
    "device": "cpu",
}


def long_matmul(a, b):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        return torch.mm(a, b)
    finally:
        torch.set_float32_matmul_precision(before)
