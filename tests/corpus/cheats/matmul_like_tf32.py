import torch

CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "cuts both factors to ten bits of mantissa, as TF32 does",
    "source": "williamqwu D40, 48 of 19,310 published results",
    "defence": "limits come from the reference's own error in float32",
    "device": "cpu",
}


def _cut(x):
    return (x.view(torch.int32) & ~0x1FFF).view(torch.float32)


def long_matmul(a, b):
    return _cut(a.contiguous()) @ _cut(b.contiguous())
