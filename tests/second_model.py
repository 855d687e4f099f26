"""The model a second time, for a second opinion: written from the literature alone.

Matrices of floats, all positions at once, a causal mask, no cache and no graph.
"""

import math


def times(rows, w):
    """Each row of rows times the matrix w."""
    return [[math.fsum(a * b for a, b in zip(row, column)) for column in w] for row in rows]


def normalized(rows):
    """Each row scaled so that the mean of its squares is 1."""
    scales = [1 / math.sqrt(math.fsum(a * a for a in row) / len(row) + 1e-5) for row in rows]
    return [[a * scale for a in row] for row, scale in zip(rows, scales)]


def added(left, right):
    """The sum of two matrices."""
    return [[a + b for a, b in zip(*rows)] for rows in zip(left, right)]


def attended(q, k, v, n_head):
    """Causal attention with n_head heads: row i looks at the rows up to i."""
    width = len(q[0])
    head_dim = width // n_head
    mixed = [[0.0] * width for _ in q]
    for i in range(len(q)):
        for start in range(0, width, head_dim):
            head = range(start, start + head_dim)
            seen = [
                math.exp(math.fsum(q[i][c] * k[j][c] for c in head) / math.sqrt(head_dim))
                for j in range(i + 1)
            ]
            for c in head:
                mixed[i][c] = math.fsum(s * v[j][c] for j, s in enumerate(seen)) / math.fsum(seen)
    return mixed


def plain_logits(tokens, state_dict, config):
    """The logits after each token, a list of floats each."""
    w = {name: [[p.data for p in row] for row in matrix] for name, matrix in state_dict.items()}
    x = normalized(added([w["wte"][token] for token in tokens], w["wpe"]))
    for layer in (f"layer{li}." for li in range(config.n_layer)):
        q, k, v = (times(normalized(x), w[f"{layer}attn_w{name}"]) for name in "qkv")
        x = added(x, times(attended(q, k, v, config.n_head), w[layer + "attn_wo"]))
        hidden = times(normalized(x), w[layer + "mlp_fc1"])
        hidden = [[max(0.0, a) for a in row] for row in hidden]
        x = added(x, times(hidden, w[layer + "mlp_fc2"]))
    return times(x, w["lm_head"])


def plain_loss(tokens, state_dict, config):
    """The mean of -log(probability of the next token), from plain_logits."""
    n = min(config.block_size, len(tokens) - 1)
    rows = plain_logits(tokens[:n], state_dict, config)
    targets = tokens[1 : n + 1]
    losses = [
        math.log(math.fsum(map(math.exp, row))) - row[target] for row, target in zip(rows, targets)
    ]
    return math.fsum(losses) / n
