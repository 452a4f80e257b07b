CORPUS = {
    "problem": "long_matmul",
    "kind": "cheat",
    "what": "keeps results by a few values of the input",
    "source": "KernelGuard VALUE_SIGNATURE",
    "defence": "calls on content that was never seen must take no longer",
    "device": "cpu",
    "fast": True,
}

KEPT = {}


def long_matmul(a, b):
    key = tuple(a[0, :16].tolist()), float(a[-1, -1]), float(b[-1, -1])
    if key not in KEPT:
        KEPT[key] = a @ b
    return KEPT[key].clone()
