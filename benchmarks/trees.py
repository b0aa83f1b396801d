"""Parameter trees in the shapes of well-known models."""

from collections.abc import Callable, Iterator

Shape = tuple[int, ...]


def resnet50() -> Iterator[Shape]:
    """161 arrays, 25.6M parameters."""

    def conv(size: int, inputs: int, outputs: int) -> Iterator[Shape]:
        yield (size, size, inputs, outputs)
        yield (outputs,)
        yield (outputs,)

    yield from conv(7, 3, 64)
    inputs = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            yield from conv(1, inputs, width)
            yield from conv(3, width, width)
            yield from conv(1, width, 4 * width)
            if block == 0:
                yield from conv(1, inputs, 4 * width)
            inputs = 4 * width
    yield from ((2048, 1000), (1000,))


def transformer(width: int, depth: int) -> Iterator[Shape]:
    """The blocks of a pre-norm transformer, with biases."""
    for _ in range(depth):
        yield from ((width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,))
        yield from ((width,), (width,), (width, 4 * width), (4 * width,), (4 * width, width))
        yield (width,)
    yield from ((width,), (width,))


def gpt2_small() -> Iterator[Shape]:
    """148 arrays, 124M parameters."""
    yield from ((50257, 768), (1024, 768))
    yield from transformer(768, 12)


def vit_b16() -> Iterator[Shape]:
    """152 arrays, 86.6M parameters."""
    yield from ((16, 16, 3, 768), (768,), (1, 1, 768), (1, 197, 768))
    yield from transformer(768, 12)
    yield from ((768, 1000), (1000,))


def small_arrays() -> Iterator[Shape]:
    """1000 arrays of 1024."""
    yield from ((1024,) for _ in range(1000))


def one_array() -> Iterator[Shape]:
    """One array of 16.7M."""
    yield (4096, 4096)


TREES: dict[str, Callable[[], Iterator[Shape]]] = {
    "resnet50": resnet50,
    "gpt2": gpt2_small,
    "vit": vit_b16,
    "small": small_arrays,
    "one": one_array,
}


def shapes(name: str) -> dict[str, Shape]:
    """The tree's shapes under flat names, in order."""
    return {f"p{i:04d}": shape for i, shape in enumerate(TREES[name]())}
