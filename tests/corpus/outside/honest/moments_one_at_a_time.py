import asyncio

from torch import nn

CORPUS = {
    "problem": "far_spread_and_mean",
    "kind": "honest",
    "what": "two coroutines of asyncio that end before the call does",
    "source": "own",
    "defence": "nothing is left running",
    "device": "cpu",
}


async def mean_of(x):
    await asyncio.sleep(0)
    return x.double().mean(dim=(0, 2))


async def spread_of(x):
    mean = await mean_of(x)
    gap = x.double() - mean[None, :, None]
    return (gap.square().sum(dim=(0, 2)) / (x.shape[0] * x.shape[2] - 1)).sqrt()


async def both(x):
    return await asyncio.gather(spread_of(x), mean_of(x))


class ModelNew(nn.Module):
    def forward(self, x):
        spread, mean = asyncio.run(both(x))
        return spread.to(x.dtype), mean.to(x.dtype)
