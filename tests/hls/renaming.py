"""Networks under other names, and names that mean something to a language, a library, a tool or our own sources."""

from dataclasses import replace

# Of layers, all in one network: keywords, types, what our sources and generated ones declare, what differs from another
# one only by what a generator puts around a name, and what C++ keeps for itself.
NASTY = (
    *("unpack", "route", "result", "int", "class", "main", "std", "hls", "output", "template", "co_await", "logic"),
    *(
        "in",
        "out",
        "bank",
        "a",
        "a_w",
        "a__w",
        "a_w_",
        "input_",
        "s_a",
        "s0_a",
        "t_a",
        "c_a",
        "b_a",
        "run_a",
        "weight_a",
    ),
    *("crossloom", "beat_t", "bank_index_t", "trace", "load", "con", "e", "w" * 64, "w" * 62 + "__"),
)


def renamed(network, names=NASTY, name=None):
    """The same network with other names of layers, in execution order, of branches and of itself."""
    new = dict(zip([edge for edge in network.edges if edge != "input"], names, strict=False))
    new["input"] = "input"
    assert len(new) == len(network.edges)

    def nodes(old):
        return tuple(replace(node, name=new[node.name], inputs=tuple(new[i] for i in node.inputs)) for node in old)

    route = network.route
    if route:
        branches = tuple(
            replace(branch, name=own, nodes=nodes(branch.nodes))
            for branch, own in zip(route.branches, ("case", "default", "unpack", "nul"), strict=False)
        )
        route = replace(route, source=new[route.source], output=new[route.output], branches=branches)
    return replace(
        network,
        name=name or network.name,
        nodes=nodes(network.nodes),
        output=new[network.output],
        route=route,
    )
