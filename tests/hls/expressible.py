"""Networks drawn as `random_network` draws them, with the choices that the hls4ml flow refuses replaced."""

from dataclasses import replace

from crossloom.sim.network import Network
from crossloom.sim.ops import Conv2d, MaxPool, Op, SumPool
from crossloom.sim.random_networks import Drawing, drawn_network
from crossloom.sim.types import QType


class _Expressible(Drawing):
    """Clips that ap_fixed makes, zeros around images, whole windows without padding, no thresholds."""

    def add(self, op: Op, *inputs: str) -> str:
        if isinstance(op, Conv2d):
            one_row = op.weight.shape[1] == 1 < op.weight.shape[2]
            op = replace(op, pad_code=0, stride=(1, op.stride[1]) if one_row else op.stride)
        elif isinstance(op, MaxPool):
            op = MaxPool(op.kernel_size, op.kernel_size)
        elif isinstance(op, SumPool):
            h, w = (1 << (n.bit_length() - 1) for n in op.kernel_size)
            op = SumPool((h, w), (h, w))
        return super().add(op, *inputs)

    def code_type(self) -> QType:
        bits = int(self.plan.integers(1, 9))
        top, half = (1 << bits) - 1, 1 << bits >> 1
        ranges = [(0, top), (0, top), (-half, half - 1), (min(1 - half, -1), max(half - 1, 1))]
        return QType(*ranges[self.pick(*ranges)])

    def threshold(self, acc: str) -> str:
        return self.requant(acc, self.code_type())


def expressible_network(seed: int, size: int = 5) -> Network:
    """As `random_network`, within what the hls4ml flow takes."""
    return drawn_network(_Expressible, seed, size)
