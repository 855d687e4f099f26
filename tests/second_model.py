"""The model a second time, for a second opinion: written from the literature, without anything of the program.

Matrices of floats, all positions at once, a causal mask, no cache and no graph.
"""

import math


def plain_logits(tokens, state_dict, config):
    """The logits after each token."""
    weights = {name: [[p.data for p in row] for row in matrix] for name, matrix in state_dict.items()}

    def times(rows, w):
        return [[math.fsum(a * b for a, b in zip(row, column)) for column in w] for row in rows]

    def normalized(rows):
        return [[a / math.sqrt(math.fsum(b * b for b in row) / len(row) + 1e-5) for a in row] for row in rows]

    def added(left, right):
        return [[a + b for a, b in zip(*rows)] for rows in zip(left, right)]

    x = normalized(added([weights["wte"][token] for token in tokens], weights["wpe"]))
    d = config.n_embd // config.n_head
    for layer in (f"layer{li}." for li in range(config.n_layer)):
        q, k, v = (times(normalized(x), weights[layer + name]) for name in ("attn_wq", "attn_wk", "attn_wv"))
        mixed = [[0.0] * config.n_embd for _ in tokens]
        for i in range(len(tokens)):
            for start in range(0, config.n_embd, d):
                head = range(start, start + d)
                scores = [math.fsum(q[i][c] * k[j][c] for c in head) / math.sqrt(d) for j in range(len(tokens))]
                seen = [math.exp(score) if j <= i else 0.0 for j, score in enumerate(scores)]
                for c in head:
                    mixed[i][c] = math.fsum(s * v[j][c] for j, s in enumerate(seen)) / math.fsum(seen)
        x = added(times(mixed, weights[layer + "attn_wo"]), x)
        hidden = [[max(0.0, a) for a in row] for row in times(normalized(x), weights[layer + "mlp_fc1"])]
        x = added(times(hidden, weights[layer + "mlp_fc2"]), x)
    return times(x, weights["lm_head"])

def plain_loss(tokens, state_dict, config):
    """The mean of -log(probability of the next token), from plain_logits."""
    n = min(config.block_size, len(tokens) - 1)
    rows = plain_logits(tokens[:n], state_dict, config)
    surprises = [
        math.log(math.fsum(map(math.exp, row))) - row[target] for row, target in zip(rows, tokens[1 : n + 1])
    ]
    return math.fsum(surprises) / n
