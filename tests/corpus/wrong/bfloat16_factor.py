CORPUS = {
    "problem": "long_matmul",
    "kind": "wrong",
    "what": "one factor is rounded to bfloat16",
    "source": "a load in the wrong type",
    "defence": "limits come from the reference's own error",
    "device": "cpu",
}


def long_matmul(a, b):
    return a @ b.bfloat16().float()
