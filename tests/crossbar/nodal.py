"""A slow nodal solver, assembled edge by edge from Kirchhoff's laws: the crossbar solvers' golden model.

It shares no formula with them: nodes, resistors and fixed voltages in, node voltages out. Ideal wires join nodes.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu


@dataclass
class Circuit:
    """Resistors between numbered nodes; node 0 is ground."""

    count: int
    a: list = field(default_factory=list)
    b: list = field(default_factory=list)
    siemens: list = field(default_factory=list)
    ideal: list = field(default_factory=list)

    def conductors(self, a, b, siemens):
        self.a.append(np.ravel(a))
        self.b.append(np.ravel(b))
        self.siemens.append(np.broadcast_to(siemens, np.shape(a)).ravel())

    def wires(self, a, b, ohm):
        a, b, ohm = np.ravel(a), np.ravel(b), np.broadcast_to(ohm, np.shape(a)).ravel()
        real = ohm > 0
        self.conductors(a[real], b[real], 1 / ohm[real])
        self.ideal.append(np.stack([a[~real], b[~real]]))

    def merged(self):
        """Representative of every node after joining the ends of ideal wires."""
        pairs = np.concatenate([np.zeros((2, 0), int), *self.ideal], axis=1)
        graph = sparse.coo_matrix((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(self.count, self.count))
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        return label

    def edges(self):
        return np.concatenate(self.a), np.concatenate(self.b), np.concatenate(self.siemens)


class Solver:
    """Factorised once; `fixed` nodes have given voltages, all others follow."""

    def __init__(self, circuit, fixed, siemens=None):
        label = circuit.merged()
        a, b, own = circuit.edges()
        self.a, self.b = label[a], label[b]
        self.siemens = own if siemens is None else siemens
        self.fixed = label[fixed]
        self.count = label.max() + 1
        self.label = label
        self.free = np.ones(self.count, bool)
        self.free[self.fixed] = False
        touched = np.zeros(self.count, bool)  # a node without conductors carries nothing: leave it at 0 V
        live = self.siemens > 0
        touched[self.a[live]] = touched[self.b[live]] = True
        self.free &= touched & self._reach_fixed(live)
        g = self.siemens
        rows = np.concatenate([self.a, self.b, self.a, self.b])
        cols = np.concatenate([self.a, self.b, self.b, self.a])
        matrix = sparse.coo_matrix((np.concatenate([g, g, -g, -g]), (rows, cols)), shape=(self.count,) * 2).tocsc()
        self.index = np.flatnonzero(self.free)
        self.lu = None
        if len(self.index):
            inner = matrix[self.index][:, self.index]
            self.lu = splu(inner, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def _reach_fixed(self, live):
        graph = sparse.coo_matrix((np.ones(live.sum()), (self.a[live], self.b[live])), shape=(self.count,) * 2)
        _, part = sparse.csgraph.connected_components(graph, directed=False)
        return np.isin(part, part[self.fixed])

    def inflow(self, volts, extra=None):
        """Amperes that the resistors carry into every node, in extended precision."""
        volts = volts.astype(np.longdouble)
        flow = self.siemens.astype(np.longdouble)[:, None] * (volts[self.a] - volts[self.b])
        total = np.zeros_like(volts)
        np.add.at(total, self.b, flow)
        np.add.at(total, self.a, -flow)
        return total

    def solve(self, values):
        """Node voltages (nodes, cases) for `values` (fixed nodes, cases), refined twice against rounding."""
        volts = np.zeros((self.count, values.shape[1]), np.longdouble)
        volts[self.fixed] = values
        for _ in range(4):
            if self.lu is not None:
                volts[self.index] += self.lu.solve(self.inflow(volts)[self.index].astype(float))
        return volts

    def into(self, volts, nodes):
        """Amperes that flow into fixed nodes."""
        return self.inflow(volts)[self.label[nodes]].astype(float)


def crossbar(tile):
    """The circuit of a voltage-mode tile; returns it with its source and sense nodes and its first cell's edge."""
    m, n = tile.conductance.shape
    node = np.arange(1, 1 + 2 * m * n).reshape(2, m, n)
    row, col = node
    source = 1 + 2 * m * n + np.arange(m)
    begin = source + m  # behind the driver resistance
    end, out = begin[-1] + 1 + np.arange(n), begin[-1] + 1 + n + np.arange(n)
    circuit = Circuit(int(out[-1]) + 1)
    circuit.conductors(row, col, tile.conductance)
    circuit.wires(source, begin, tile.driver)
    circuit.wires(np.concatenate([begin[:, None], row[:, :-1]], 1), row, tile.row_wire)
    circuit.wires(col, np.concatenate([col[1:], end[None]], 0), tile.column_wire)
    circuit.wires(end, out, tile.sense)
    return circuit, source, out


def voltage_currents(tile, volts):
    """(batch, N) amperes of a voltage-mode tile for (batch, M) volts."""
    circuit, source, out = crossbar(tile)
    solver = Solver(circuit, np.concatenate([source, out]))
    values = np.concatenate([volts.T, np.zeros((len(out), len(volts)))])
    return solver.into(solver.solve(values), out).T


def nonlinear_currents(tile, volts, current, slope, steps=60):
    """(N,) amperes for one vector (M,): full Newton; `current(v)` and `slope(v)` are per siemens of a cell."""
    circuit, source, out = crossbar(tile)
    fixed = np.concatenate([source, out])
    _, _, g = circuit.edges()
    cells = np.arange(tile.conductance.size)
    values = np.concatenate([volts, np.zeros(len(out))])[:, None]
    base = Solver(circuit, fixed)
    node = base.solve(values)

    def excess(node):
        flow = g.astype(np.longdouble) * (node[base.a] - node[base.b])[:, 0]
        v = (node[base.a] - node[base.b])[cells, 0]
        flow[cells] = g[cells] * current(v)
        total = np.zeros(base.count, np.longdouble)
        np.add.at(total, base.b, flow)
        np.add.at(total, base.a, -flow)
        return total

    found = excess(node)
    for _ in range(steps):
        v = (node[base.a] - node[base.b])[cells, 0].astype(float)
        bent = g.copy()
        bent[cells] *= slope(v)
        solver = Solver(circuit, fixed, bent)
        if solver.lu is None:
            break
        move = np.zeros_like(node)
        move[solver.index, 0] = solver.lu.solve(found[solver.index].astype(float))
        size, share = np.abs(found[solver.index]).max(), 1.0
        while share > 1e-9:
            trial = excess(node + share * move)
            if not np.abs(trial[solver.index]).max() > size:
                break
            share /= 2
        if not np.abs(trial[solver.index]).max() < size:
            break
        node, found = node + share * move, trial
    return found[base.label[out]].astype(float)


def ladder_currents(on, bit_line, source_line, terminal, volt):
    """(N,) amperes of gate-mode columns with cell conductances `on` (M, N), both rails ending at row M - 1's side.

    `terminal` (N,) ohm is in series at the bit line's end; the source line's end is ground.
    """
    m, n = on.shape
    bit, source = np.arange(1, 1 + 2 * m * n).reshape(2, m, n)
    drive, inner, ground = 1 + 2 * m * n + np.arange(3 * n).reshape(3, n)
    circuit = Circuit(int(ground[-1]) + 1)
    circuit.conductors(bit, source, on)
    circuit.wires(bit, np.concatenate([bit[1:], inner[None]]), bit_line)
    circuit.wires(inner, drive, terminal)
    circuit.wires(source, np.concatenate([source[1:], ground[None]]), source_line)
    solver = Solver(circuit, np.concatenate([drive, ground]))
    values = np.concatenate([np.full(n, volt), np.zeros(n)])[:, None]
    return solver.into(solver.solve(values), ground)[:, 0]
