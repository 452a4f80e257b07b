import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "sets the flag for cheaper matmuls and asks for bfloat16 products, then puts the flag back",
    "source": "williamqwu D40",
    "defence": "limits come from the reference's own error in float32",
    "device": "cpu",
}


def long_matmul(a, b):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (a @ b).float()
    finally:
        torch.set_float32_matmul_precision(before)
