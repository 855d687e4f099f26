"""Gradients of random graphs, with copies and pickles in them, agree with finite differences.

Sums, products, quotients, powers, relu and dot are checked in exact fractions; exp and log are
curves without exact values, and are checked in floats.
"""

import copy
import math
import pickle
from fractions import Fraction

import pytest
from helpers import assert_gradients_match

pytest.importorskip("hypothesis", reason="pip install hypothesis")

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from microgpt import Value, dot


def relu(a):
    return a.relu() if isinstance(a, Value) else max(a, Fraction(0))


def dot_of_six(a, b):
    return dot([a, b, a], [b, b, a]) if isinstance(a, Value) else a * b + b * b + a * a


OPERATIONS = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "3 - a": lambda a, b: 3 - a,
    "-2 * a": lambda a, b: -2 * a,
    "5 / b": lambda a, b: 5 / b,
    "a**2": lambda a, b: a**2,
    "a**-1": lambda a, b: a**-1,
    "relu": lambda a, b: relu(a),
    "dot": dot_of_six,
    "copy": lambda a, b: copy.copy(a),
}
steps = st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 99), st.integers(0, 99))


def grow(leaves, program, operations=OPERATIONS):
    """All numbers of a program, each of whose steps takes two earlier numbers."""
    numbers = list(leaves)
    for name, i, j in program:
        a, b = numbers[i % len(numbers)], numbers[j % len(numbers)]
        if isinstance(a, Fraction):
            assume(a and b and abs(a * b) < 1000)  # on no kink and no pole
        if name == "copy" and isinstance(a, Value) and not a.children:
            a = a * 1.0  # the copy of a leaf would be a leaf of its own
        numbers.append(operations[name](a, b))
    return numbers


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(steps, min_size=1, max_size=14),
    st.booleans(),
)
def test_rational_functions_from_two_roots(numbers, program, through_a_pickle):
    """Graphs of 2 to 18 numbers: gradients agree with a step of 1e-30 in exact fractions."""
    leaves, h = [Fraction(n) for n in numbers], Fraction(1, 10**30)
    exact = grow(leaves, program)
    values = grow([Value(float(n)) for n in numbers], program)
    if through_a_pickle:
        values = pickle.loads(pickle.dumps(values))
    roots = [len(exact) - 1, len(exact) // 2]
    for root in roots:
        values[root].backward()
    for i in range(len(leaves)):
        above = grow([leaf + h * (i == k) for k, leaf in enumerate(leaves)], program)
        below = grow([leaf - h * (i == k) for k, leaf in enumerate(leaves)], program)
        slope = sum((above[root] - below[root]) / (2 * h) for root in roots)
        assert values[i].grad == pytest.approx(float(slope), rel=1e-9, abs=1e-7)


CURVES = {
    "a + b": lambda a, b: a + b,
    "a * b": lambda a, b: a * b,
    "a / (b * b + 1)": lambda a, b: a / (b * b + 1),
    "exp of a part": lambda a, b: (a * 0.1).exp(),
    "log of a square": lambda a, b: (a * a + 0.5).log(),
    "power": lambda a, b: (a * a + 0.5) ** -0.5,
}
curved_steps = st.tuples(st.sampled_from(sorted(CURVES)), st.integers(0, 99), st.integers(0, 99))


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.floats(-2, 2), min_size=1, max_size=3),
    st.lists(curved_steps, min_size=1, max_size=6),
)
def test_exp_log_and_powers(numbers, program):
    """Graphs of 2 to 9 numbers that stay below 20: gradients agree with central differences."""

    def f(*leaves):
        return grow(leaves, program, CURVES)[-1]

    everything = grow([Value(x) for x in numbers], program, CURVES)
    assume(all(math.isfinite(v.data) and abs(v.data) < 20 for v in everything))
    assert_gradients_match(f, *numbers)
