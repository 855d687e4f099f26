"""backward() against dual numbers: forward-mode differentiation, which shares no idea with the way back.

A dual number is a number together with its derivative along one direction (W. K. Clifford, 1873); each operation
computes both. No graph is kept and nothing is walked, so a mistake in the order of a walk, in a shared node or in a
sum of gradients has no counterpart here. And it is exact up to rounding, where finite differences see seven digits.

The third part of a dual number here, its mass, is the derivative with all terms of all sums taken as positive. A mass
that is larger than the derivative tells how many digits were lost to cancellation, in any order of summation.
"""

import itertools
import math
import random
import types

import oracle
import pytest
from test_autograd import DOCS, model, parameters

import microgpt
from microgpt import Dot, Value, cross_entropy, rmsnorm, softmax

EXACT = 1e-12
GRAPHS = 4000


class Dual:
    """x + slope * epsilon, with epsilon**2 = 0."""

    def __init__(self, x, slope=0.0, mass=None):
        self.x, self.slope, self.mass = x, slope, abs(slope) if mass is None else mass

    def chain(self, x, rate):
        return Dual(x, rate * self.slope, abs(rate) * self.mass)

    def __add__(self, other):
        other = dual(other)
        return Dual(self.x + other.x, self.slope + other.slope, self.mass + other.mass)

    def __mul__(self, other):
        other = dual(other)
        return Dual(
            self.x * other.x,
            self.slope * other.x + self.x * other.slope,
            self.mass * abs(other.x) + abs(self.x) * other.mass,
        )

    def __pow__(self, other):
        if isinstance(other, Dual):
            return (self.log() * other).exp()
        return self.chain(self.x**other, other * self.x ** (other - 1) if other else 0.0)

    def exp(self): return self.chain(math.exp(self.x), math.exp(self.x))  # fmt: skip
    def log(self): return self.chain(math.log(self.x), 1 / self.x)  # fmt: skip
    def relu(self): return self.chain(max(0.0, self.x), float(self.x > 0))  # fmt: skip
    def __neg__(self): return self.chain(-self.x, -1.0)  # fmt: skip
    def __sub__(self, other): return self + -other  # fmt: skip
    def __rsub__(self, other): return -self + other  # fmt: skip
    def __truediv__(self, other): return self * dual(other) ** -1  # fmt: skip
    def __rtruediv__(self, other): return self**-1 * other  # fmt: skip
    def __rpow__(self, other): return dual(other) ** self  # fmt: skip
    def __lt__(self, other): return self.x < dual(other).x  # fmt: skip
    def __gt__(self, other): return self.x > dual(other).x  # fmt: skip
    def __abs__(self): return self if self.x >= 0 else -self  # fmt: skip
    __radd__, __rmul__ = __add__, __mul__


def dual(number):
    return number if isinstance(number, Dual) else Dual(float(number))


def assert_same(grad, dual):
    """To 1e-12 of the derivative; where its terms nearly cancel out, to 1e-14 of their size. (Of the 9,641 derivatives
    of the random graphs, three need that.)"""
    assert abs(grad - dual.slope) <= max(EXACT * abs(dual.slope), 1e-14 * dual.mass), (grad, dual.slope, dual.mass)


OPERATIONS = [
    (2, lambda a, b: a + b), (2, lambda a, b: a - b), (2, lambda a, b: a * b), (2, lambda a, b: a / (b * b + 0.3)),
    (2, lambda a, b: (a * a + 0.2) ** b), (2, lambda a, b: 1.7**a * b), (2, lambda a, b: a**2 / b),
    (1, lambda a: -a), (1, lambda a: a.relu()), (1, lambda a: (a * 0.5).exp()), (1, lambda a: (a * a + 0.1).log()),
    (1, lambda a: a**3), (1, lambda a: a**1), (1, lambda a: (a**2 + 1) ** -0.5), (1, lambda a: a + 0.7),
    (1, lambda a: 2 - a), (1, lambda a: a * -1.3), (1, lambda a: 0.9 / a), (1, lambda a: a / 3), (1, lambda a: 4 * a),
    (1, lambda a: 5 + a), (1, lambda a: a - 6), (1, lambda a: a**0), (1, lambda a: a + a), (1, lambda a: a * a),
]  # fmt: skip


def random_program(seed):
    """(numbers to start from, [(operation, operands)]): operands are places in the list of all results so far, so that
    any result is used by none, one or many of the later ones. Results stay between 0.01 and 30."""
    rng = random.Random(seed)
    numbers = [rng.choice((-1, 1)) * rng.uniform(0.2, 2) for _ in range(rng.randint(1, 4))]
    program, results = [], list(map(Value, numbers))
    for _ in range(rng.randint(1, 30)):
        arity, operation = rng.choice(OPERATIONS)
        operands = [rng.randrange(len(results)) for _ in range(arity)]
        result = operation(*(results[i] for i in operands))
        if 0.01 < abs(result.data) < 30:
            program.append((operation, operands))
            results.append(result)
    return numbers, program


def evaluate(numbers, program):
    """The last result, plus a little of each of the others: no part of the graph is left out."""
    results = list(numbers)
    for operation, operands in program:
        results.append(operation(*(results[i] for i in operands)))
    total = results[-1]
    for i, result in enumerate(results):
        total = total + result * (0.01 * i)
    return total


def along(numbers, i):
    """The numbers as duals, with the derivative taken with respect to the i-th."""
    return [Dual(x, float(i == j)) for j, x in enumerate(numbers)]


def test_random_graphs():
    """Any combination of operations that a single one's test does not show: a gradient that is passed on too early or
    twice, a shared node, a derivative that is right for a leaf only. Also after a second backward() over the graph."""
    shared = sizes = 0
    for seed in range(GRAPHS):
        numbers, program = random_program(seed)
        values = [Value(x) for x in numbers]
        root = evaluate(values, program)
        expected = [evaluate(along(numbers, i), program) for i in range(len(numbers))]
        for calls in (1, 2):
            root.backward()
            for value, dual in zip(values, expected):
                assert root.data == pytest.approx(dual.x, rel=EXACT)
                assert_same(value.grad, Dual(dual.x, calls * dual.slope, calls * dual.mass))
        uses = list(itertools.chain.from_iterable(operands for _, operands in program))
        shared += len(uses) > len(set(uses))
        sizes += len(program)
    assert shared > GRAPHS / 2 and sizes > 8 * GRAPHS  # or the graphs would be too simple to say anything


def test_dual_numbers_by_hand():
    """The second opinion itself: (x^2 y + exp(x)) / y at (2, 4), and a mass that cancellation does not lower."""
    x, y = Dual(2.0, 1.0), Dual(4.0)
    assert ((x * x * y + x.exp()) / y).slope == pytest.approx(2 * 2 + math.exp(2) / 4)
    x, y = Dual(2.0), Dual(4.0, 1.0)
    assert ((x * x * y + x.exp()) / y).slope == pytest.approx(-math.exp(2) / 16)
    x = Dual(3.0, 1.0)
    assert ((x - x).slope, (x - x).mass) == (0.0, 2.0)
    assert (Dual(2.0, 1.0) ** Dual(3.0, 1.0)).slope == pytest.approx(12 + 8 * math.log(2))
    assert (2 ** Dual(3.0, 1.0)).slope == pytest.approx(8 * math.log(2))


def dual_dot(a, b):
    return sum((x * y for x, y in zip(a, b)), Dual(0.0))


def dual_softmax(a):
    total = sum((x.exp() for x in a), Dual(0.0))
    return [x.exp() / total for x in a]


@pytest.mark.parametrize("n", [1, 2, 5, 27])
def test_random_vectors_through_the_fused_pieces(n):
    """Dot, softmax, cross_entropy and rmsnorm in the place of the plain operations: the textbook's formula for each."""
    rng = random.Random(n)
    pieces = [
        (lambda v: Dot(v, v[::-1]), lambda v: dual_dot(v, v[::-1])),
        (lambda v: Dot(softmax(v), v), lambda v: dual_dot(dual_softmax(v), v)),
        (lambda v: cross_entropy(v, n // 2), lambda v: -dual_softmax(v)[n // 2].log()),
        (
            lambda v: Dot(rmsnorm(v), [v[0]] * n),
            lambda v: dual_dot(v, [v[0]] * n) * (dual_dot(v, v) / n + 1e-5) ** -0.5,
        ),
    ]
    for ours, textbook in pieces:
        for _ in range(20):
            numbers = [rng.uniform(-2, 2) for _ in range(n)]
            values = [Value(x) for x in numbers]
            root = ours(values)
            root.backward()
            for i, value in enumerate(values):
                expected = textbook(along(numbers, i))
                assert root.data == pytest.approx(expected.x, rel=EXACT, abs=EXACT)
                assert_same(value.grad, expected)


@pytest.mark.parametrize("settings, steps", [({}, 0), ({}, 3), ({"n_layer": 2, "n_embd": 8, "init_std": 0.5}, 1)])
def test_the_loss_of_the_model(settings, steps, monkeypatch):
    """The whole model as one function: the op-by-op oracle evaluated on dual numbers, along single parameters of every
    matrix and along random directions through all of them."""
    tokens, state_dict, config, twin = model(DOCS, steps, **settings)
    microgpt.forward(tokens, state_dict, config).backward()
    grads, floats = [p.grad for p in parameters(state_dict)], [node.data for node in twin.parameters]
    monkeypatch.setattr(oracle, "math", types.SimpleNamespace(exp=lambda x: dual(x).exp(), log=lambda x: dual(x).log()))
    rng = random.Random(steps)
    firsts = itertools.accumulate((sum(map(len, matrix)) for matrix in twin.weights.values()), initial=0)
    single = [first + rng.randrange(16) for first in list(firsts)[:-1]]
    directions = [[float(i == j) for j in range(len(grads))] for i in single]
    directions += [[rng.gauss(0, 1) for _ in grads] for _ in range(4)]
    for direction in directions:
        for node, x, slope in zip(twin.parameters, floats, direction):
            node.data = Dual(x, slope)
        expected = twin.loss(twin.docs[steps]).data
        assert_same(math.fsum(g * slope for g, slope in zip(grads, direction)), expected)
