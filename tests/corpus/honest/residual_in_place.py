CORPUS = {
    "problem": "residual_update",
    "kind": "honest",
    "what": "adds to the residual in place and norms it, as it is asked to",
    "source": "own",
    "defence": "what the reference changes may change, to the same values",
    "device": "cpu",
    "fast": True,
}


def residual_update(x, residual):
    residual += x
    centred = residual - residual.mean(-1, keepdim=True)
    return centred * (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
