"""The reference's algorithm once more, op by op: the second opinion that the tests hold microgpt.py against.

One graph node for each scalar addition, product, power, log, exp and ReLU, with two children at the most; a
recursive sort; the
standard library's generator. Nothing is shared with microgpt.py, nothing is fused, reused or skipped, so it is slow,
and a mistake in the one has no reason to be in the other. Written from microgpt.js.
"""

import math
import random
import sys

sys.setrecursionlimit(100_000)  # the sort below recurses as deep as the graph


class Node:
    def __init__(self, data, *edges):
        self.data = data
        self.grad = 0.0
        self.edges = edges  # (child, derivative of this node with respect to it)


def plus(a, b):
    return Node(a.data + b.data, (a, 1.0), (b, 1.0))


def times(a, b):
    return Node(a.data * b.data, (a, b.data), (b, a.data))


def shift(a, number):
    return Node(a.data + number, (a, 1.0))


def scale(a, number):
    return Node(a.data * number, (a, number))


def power(a, number):
    return Node(a.data**number, (a, number * a.data ** (number - 1)))


def log(a):
    return Node(math.log(a.data), (a, 1.0 / a.data))


def exp(a):
    return Node(math.exp(a.data), (a, math.exp(a.data)))


def relu(a):
    return Node(a.data, (a, 1.0)) if a.data > 0 else Node(0.0, (a, 0.0))


def negative(a):
    return Node(-a.data, (a, -1.0))


def over(a, b):
    return times(a, power(b, -1))


def add_up(nodes):
    result = nodes[0]
    for node in nodes[1:]:
        result = plus(result, node)
    return result


def backward(root):
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for child, _ in node.edges:
                visit(child)
            order.append(node)

    visit(root)
    root.grad = 1.0
    for node in reversed(order):
        for child, derivative in node.edges:
            child.grad += derivative * node.grad


def matrix_times_vector(weights, x):
    return [add_up([times(row[i], x[i]) for i in range(len(row))]) for row in weights]


def probabilities(scores):
    top = max(s.data for s in scores)
    exponentials = [exp(shift(s, -top)) for s in scores]
    total = add_up(exponentials)
    return [over(e, total) for e in exponentials]


def normalized(x):
    mean_square = scale(add_up([times(a, a) for a in x]), 1 / len(x))
    factor = power(shift(mean_square, 1e-5), -0.5)
    return [times(a, factor) for a in x]


class Oracle:
    """A model with its data, optimizer state and generator; the arguments are the reference's constants."""

    def __init__(
        self,
        docs,
        n_embd=16,
        n_head=4,
        n_layer=1,
        block_size=16,
        std=0.08,
        learning_rate=0.01,
        beta1=0.85,
        beta2=0.99,
        eps_adam=1e-8,
        num_steps=1000,
        temperature=0.5,
        seed=42,
    ):
        self.rng = random.Random(seed)
        self.docs = list(docs)
        self.rng.shuffle(self.docs)
        self.chars = sorted(set("".join(docs)))
        self.bos = len(self.chars)
        self.n_embd, self.n_head, self.n_layer, self.block_size = n_embd, n_head, n_layer, block_size
        self.learning_rate, self.beta1, self.beta2, self.eps_adam = learning_rate, beta1, beta2, eps_adam
        self.num_steps, self.temperature = num_steps, temperature
        shapes = {"wte": (self.bos + 1, n_embd), "wpe": (block_size, n_embd), "lm_head": (self.bos + 1, n_embd)}
        for layer in range(n_layer):
            for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
                shapes[f"layer{layer}.{name}"] = (n_embd, n_embd)
            shapes[f"layer{layer}.mlp_fc1"] = (4 * n_embd, n_embd)
            shapes[f"layer{layer}.mlp_fc2"] = (n_embd, 4 * n_embd)
        self.weights = {
            name: [[Node(self.rng.gauss(0, std)) for _ in range(columns)] for _ in range(rows)]
            for name, (rows, columns) in shapes.items()
        }
        self.parameters = [node for rows in self.weights.values() for row in rows for node in row]
        self.first = [0.0] * len(self.parameters)
        self.second = [0.0] * len(self.parameters)
        self.step = 0

    def scores(self, token, position, seen_keys, seen_values):
        """Logits for the token after this one; the caches, one list a layer, grow by one entry each."""
        pairs = zip(self.weights["wte"][token], self.weights["wpe"][position])
        x = normalized([plus(t, p) for t, p in pairs])
        width = self.n_embd // self.n_head
        for layer in range(self.n_layer):

            def w(name, layer=layer):
                return self.weights[f"layer{layer}.{name}"]

            before, x = x, normalized(x)
            query = matrix_times_vector(w("attn_wq"), x)
            seen_keys[layer].append(matrix_times_vector(w("attn_wk"), x))
            seen_values[layer].append(matrix_times_vector(w("attn_wv"), x))
            mixed = []
            for start in range(0, self.n_embd, width):
                channels = range(start, start + width)
                raw = [add_up([times(query[c], key[c]) for c in channels]) for key in seen_keys[layer]]
                attention = probabilities([scale(r, 1 / width**0.5) for r in raw])
                for c in channels:
                    mixed.append(add_up([times(a, value[c]) for a, value in zip(attention, seen_values[layer])]))
            x = [plus(a, b) for a, b in zip(matrix_times_vector(w("attn_wo"), mixed), before)]
            before, x = x, normalized(x)
            hidden = [relu(a) for a in matrix_times_vector(w("mlp_fc1"), x)]
            x = [plus(a, b) for a, b in zip(matrix_times_vector(w("mlp_fc2"), hidden), before)]
        return matrix_times_vector(self.weights["lm_head"], x)

    def caches(self):
        return [[] for _ in range(self.n_layer)], [[] for _ in range(self.n_layer)]

    def loss(self, doc):
        """Mean negative log probability of each next token of doc: the root of the graph."""
        tokens = [self.bos] + [self.chars.index(ch) for ch in doc] + [self.bos]
        count = min(self.block_size, len(tokens) - 1)
        seen = self.caches()
        surprises = []
        for position in range(count):
            chances = probabilities(self.scores(tokens[position], position, *seen))
            surprises.append(negative(log(chances[tokens[position + 1]])))
        return scale(add_up(surprises), 1 / count)

    def train_step(self):
        """One step of Adam on the next document; returns the loss before it."""
        root = self.loss(self.docs[self.step % len(self.docs)])
        backward(root)
        rate = self.learning_rate * (1 - self.step / self.num_steps)
        self.step += 1
        for i, node in enumerate(self.parameters):
            self.first[i] = self.beta1 * self.first[i] + (1 - self.beta1) * node.grad
            self.second[i] = self.beta2 * self.second[i] + (1 - self.beta2) * node.grad**2
            mean = self.first[i] / (1 - self.beta1**self.step)
            spread = self.second[i] / (1 - self.beta2**self.step)
            node.data -= rate * mean / (math.sqrt(spread) + self.eps_adam)
            node.grad = 0.0
        return root.data

    def sample(self):
        """One document, drawn token by token at the model's temperature."""
        seen = self.caches()
        token, text = self.bos, ""
        for position in range(self.block_size):
            scores = [scale(s, 1 / self.temperature) for s in self.scores(token, position, *seen)]
            chances = [p.data for p in probabilities(scores)]
            token = self.rng.choices(range(self.bos + 1), chances)[0]
            if token == self.bos:
                break
            text += self.chars[token]
        return text
