CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "leaves out the last hundredth of the summed axis",
    "source": "own, after CUDA-L2",
    "defence": "limits come from the reference's own error",
    "device": "cpu",
}


def long_matmul(a, b):
    k = a.shape[1] - a.shape[1] // 100
    return a[:, :k] @ b[:k]
