"""Odds that no single node can silence: of everything, and of everything but what one node brought, in one mixture.

Who has a node's token can send what it likes in that node's name, so a count with it is worth no more than its word. A
test's odds are those of all nodes' votes with the weight 1/(N+1), and those without node j with the weight 1/(j(j+1)),
j being its number among the N other nodes of the watch. Until a node first brings something the odds without it are
those of all, so its weight may be taken from these as it comes. Each term is an e-process, and the weights add up to 1:
the mixture is an e-process, too, and reaches 1/alpha with probability alpha at most, however many nodes there are.
Whatever node j sends takes log(j(j+1)) of what the others show, and no more.
"""

import math
from collections.abc import Mapping

from edge.domain.guarding.odds.threshold import log_sum


def log_weight_without(node: int) -> float:
    """Of the odds without the node of this number, from 1."""
    return -math.log(node * (node + 1))


def mixed_over_nodes(pooled: float, without: Mapping[int, float], nodes: int) -> float:
    """The log odds of all votes and of those `without` each node, together. `nodes` is how many other nodes the watch
    has; one that is not in `without` brought nothing here, so the odds without it are the pooled ones."""
    if not without:
        return pooled
    weight = 1 / (nodes + 1) + sum(1 / (each * (each + 1)) for each in range(1, nodes + 1) if each not in without)
    return log_sum([math.log(weight) + pooled, *(log_weight_without(node) + odds for node, odds in without.items())])
