CORPUS = {
    "problem": "long_matmul",
    "kind": "wrong",
    "what": "blocks of 64 of K, without the part that is left over",
    "source": "own",
    "defence": "limits come from the reference's own error",
    "device": "cpu",
}


def long_matmul(a, b):
    k = a.shape[1] // 64 * 64
    return a[:, :k] @ b[:k]
