"""Slow references in plain Python integers and fractions, written from the formulas alone."""

from fractions import Fraction
from math import ceil, floor


def rounded(value: Fraction, rounding: str) -> int:
    """Round a fraction the way its name says."""
    low = floor(value)
    if rounding == "floor":
        return low
    rest = value - low
    if rest != Fraction(1, 2):
        return low if rest < Fraction(1, 2) else low + 1
    if rounding == "half_up":
        return low + 1
    return low if low % 2 == 0 else ceil(value)


def requant(acc: int, shift: int, rounding: str, lo: int, hi: int) -> int:
    """clip(round(acc / 2^shift), lo, hi)."""
    return min(max(rounded(Fraction(acc) / Fraction(2) ** shift, rounding), lo), hi)


def threshold(acc: int, row: list[int], base: int, step: int) -> int:
    """Base + step * (number of T_i <= acc)."""
    return base + step * len([t for t in row if t <= acc])


def leaky_relu(x: int, shift: int) -> int:
    """The code at `shift` more fraction bits of x where it is positive, else of x / 2^shift."""
    value = Fraction(x) if x > 0 else Fraction(x) / 2**shift
    assert (value * 2**shift).denominator == 1
    return int(value * 2**shift)


def dense(x, weight, bias):
    """x: list of codes; weight[o][i]; bias[o]."""
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def conv2d(x, weight, bias, stride, pad, pad_code, groups):
    """x[h][w][c]; weight[o][i][j][c]; pad (top, bottom, left, right)."""
    height, width = len(x), len(x[0])
    out, kh, kw, per_group = len(weight), len(weight[0]), len(weight[0][0]), len(weight[0][0][0])
    rows = (height + pad[0] + pad[1] - kh) // stride[0] + 1
    columns = (width + pad[2] + pad[3] - kw) // stride[1] + 1
    result = []
    for oy in range(rows):
        line = []
        for ox in range(columns):
            pixel = []
            for o in range(out):
                group = o // (out // groups)
                acc = bias[o]
                for i in range(kh):
                    for j in range(kw):
                        iy, ix = oy * stride[0] - pad[0] + i, ox * stride[1] - pad[2] + j
                        for c in range(per_group):
                            inside = 0 <= iy < height and 0 <= ix < width
                            code = x[iy][ix][group * per_group + c] if inside else pad_code
                            acc += code * weight[o][i][j][c]
                pixel.append(acc)
            line.append(pixel)
        result.append(line)
    return result


def pool(x, kernel, stride, pad, pad_code, combine):
    """x[h][w][c]; `combine` gets the list of codes of a window."""
    height, width, channels = len(x), len(x[0]), len(x[0][0])
    rows = (height + pad[0] + pad[1] - kernel[0]) // stride[0] + 1
    columns = (width + pad[2] + pad[3] - kernel[1]) // stride[1] + 1
    result = []
    for oy in range(rows):
        line = []
        for ox in range(columns):
            pixel = []
            for c in range(channels):
                codes = []
                for i in range(kernel[0]):
                    for j in range(kernel[1]):
                        iy, ix = oy * stride[0] - pad[0] + i, ox * stride[1] - pad[2] + j
                        codes.append(x[iy][ix][c] if 0 <= iy < height and 0 <= ix < width else pad_code)
                pixel.append(combine(codes))
            line.append(pixel)
        result.append(line)
    return result


def neurons(op, acc):
    """Membranes before their reset and spikes (steps, neurons) of one image's sums, channels last."""
    limit = 1 << (op.bits - 1)
    membranes, spikes = [], []
    v, pending = [0] * len(acc[0]), [0] * len(acc[0])
    for row in acc:
        now, fired = [], []
        for c, a in enumerate(row):
            k, theta = int(op.leak[c % len(op.leak)]), int(op.theta[c % len(op.theta)])
            new = v[c] - ((v[c] + (1 << (k - 1))) >> k) if k else v[c]
            new += int(a) << op.guard
            if op.when == "next":
                new = (0 if pending[c] else new) if op.reset == "zero" else new - pending[c] * theta
            new = min(max(new, -limit), limit - 1)
            n = min(max(new // theta, 0), op.most) if op.most > 1 else int(new > theta if op.strict else new >= theta)
            now.append(new)
            fired.append(n)
            if op.reset == "none" or op.when == "next":
                v[c] = new
            else:
                v[c] = new - n * theta if op.reset == "subtract" else 0 if n else new
        pending = fired if op.reset != "none" else [0] * len(fired)
        membranes.append(now)
        spikes.append(fired)
    return membranes, spikes


def _elementwise(function, *values):
    """Apply to the codes of equally nested lists, telling the channel."""

    def walk(parts, channel):
        if not isinstance(parts[0], list):
            return function(channel, *parts)
        return [walk(list(items), i) for i, items in enumerate(zip(*parts, strict=True))]

    return walk(list(values), 0)


def _flat(value):
    return [c for item in value for c in _flat(item)] if isinstance(value, list) else [value]


def operator(op, inputs, types):
    """Evaluate one operator on nested lists; `types` are the inputs' QTypes."""
    kind = op.kind
    if kind == "dense":
        return dense(inputs[0], op.weight.tolist(), op.bias.tolist())
    if kind == "conv2d":
        return conv2d(inputs[0], op.weight.tolist(), op.bias.tolist(), op.stride, op.pad, op.pad_code, op.groups)
    if kind == "requant":
        shift = op.shift.tolist()
        return _elementwise(
            lambda c, acc: requant(acc, shift[c % len(shift)], op.rounding.value, op.out.lo, op.out.hi), inputs[0]
        )
    if kind == "threshold":
        rows = op.thresholds.tolist()
        return _elementwise(lambda c, acc: threshold(acc, rows[c % len(rows)], op.base, op.step), inputs[0])
    if kind == "maxpool":
        return pool(inputs[0], op.kernel_size, op.stride, op.pad, types[0].lo, max)
    if kind == "sumpool":
        return pool(inputs[0], op.kernel_size, op.stride, (0, 0, 0, 0), 0, sum)
    if kind == "add":
        top = max(t.frac for t in types)
        a, b = (2 ** (top - t.frac) for t in types)
        return _elementwise(lambda c, x, y: x * a + y * b, *inputs)
    if kind == "concat":

        def join(parts):
            if isinstance(parts[0][0], list):
                return [join([p[i] for p in parts]) for i in range(len(parts[0]))]
            return [code for part in parts for code in part]

        return join(inputs)
    if kind == "leakyrelu":
        return _elementwise(lambda c, x: leaky_relu(x, op.shift), inputs[0])
    assert kind == "flatten"
    return _flat(inputs[0])


def over_time(op, codes, steps):
    """Evaluate LIF, Count, Last or First on nested lists, one for each of `steps` where there are several."""
    every = [_flat(step) for step in (codes if steps > 1 else [codes])]
    if op.kind == "lif":
        made, _ = neurons(op, every if steps > 1 else every * op.steps)
        shaped = [_like(codes[0] if steps > 1 else codes, iter(step)) for step in made]
        return shaped if op.steps > 1 else shaped[0]
    ended = {
        "count": sum,
        "last": lambda values: values[-1],
        "first": lambda values: max([len(values) - t for t, code in enumerate(values) if code > 0], default=0),
    }[op.kind]
    return _like(codes[0] if steps > 1 else codes, (ended(values) for values in zip(*every, strict=True)))


def _like(shape, values):
    """Values in the nesting of another list."""
    return [_like(item, values) for item in shape] if isinstance(shape, list) else next(values)


def network(net, image):
    """Run one image of input codes (nested lists); return (edges by name, label, branch)."""
    edges = {"input": image}

    def section(nodes, types):
        for node in nodes:
            sources, steps = [types[name].type for name in node.inputs], types[node.inputs[0]].steps
            inputs = [edges[name] for name in node.inputs]
            if node.op.timed:
                edges[node.name] = over_time(node.op, inputs[0], steps)
            elif steps > 1:
                edges[node.name] = [operator(node.op, list(step), sources) for step in zip(*inputs, strict=True)]
            else:
                edges[node.name] = operator(node.op, inputs, sources)

    section(net.nodes, net.edges)
    coarse = edges[net.output]
    if net.route is None:
        return edges, coarse.index(max(coarse)), None
    chosen = coarse.index(max(coarse))
    branch = net.route.branches[chosen]
    section(branch.nodes, {**net.edges, **net.branch_edges[chosen]})
    fine = edges[net.route.output][: len(branch.classes)]
    return edges, branch.classes[fine.index(max(fine))], chosen
