"""random_compat draws what CPython's random draws: the published vectors, the standard library call by call, frozen
draws, and the same errors."""

import random as stdlib
import sys

import pytest
from conftest import given, settings, st

import random_compat

# Published numbers

def test_the_authors_vector():
    """Fails for any constant, shift or mask: the authors' mt19937ar.out, from the key {0x123, 0x234, 0x345, 0x456}."""
    generator = random_compat.Random(0x123 | 0x234 << 32 | 0x345 << 64 | 0x456 << 96)
    ints = [generator.getrandbits(32) for _ in range(1000)]
    assert ints[:10] == [1067595299, 955945823, 477289528, 4107218783, 4228976476, 3344332714, 3355579695, 227628506,
                         810200273, 2591290167]  # fmt: skip
    assert ints[-1] == 3460025646
    floats = ["0.76275443", "0.99000644", "0.98670464", "0.10143112", "0.27933125",
              "0.69867227", "0.94218740", "0.03427201", "0.78842173", "0.28180608"]  # fmt: skip
    assert [f"{generator.getrandbits(32) / 2**32:.8f}" for _ in floats] == floats

def test_the_frozen_draws_of_seed_42():
    """What CPython 3.11 to 3.13 draw, in digits: the standard library that other tests compare with may change."""
    new = lambda: random_compat.Random(42)  # noqa: E731
    assert (new().random(), new().getrandbits(64)) == (0.6394267984578837, 2053695854357871005)
    assert new().gauss() == new().gauss(0, 1) == pytest.approx(-0.14409032957792836, rel=1e-15)
    assert new().choices(range(10), k=5) == [6, 0, 2, 2, 7]
    assert new().choices("abc", [1, 2, 3], k=5) == ["c", "a", "b", "b", "c"]
    ten = list(range(10))
    new().shuffle(ten)
    assert ten == [7, 3, 2, 8, 5, 6, 9, 4, 0, 1]

# The standard library, call by call

seeds = st.one_of(st.integers(-(2**80), 2**80), st.sampled_from([0, True, 2**31, 2**32 - 1, 2**32, -(2**33)]))
calls = st.one_of(
    st.tuples(st.just("random")),
    st.tuples(st.just("getrandbits"), st.integers(0, 130)),
    st.tuples(st.just("gauss"), st.floats(-1e6, 1e6), st.floats(-9, 9)),
    st.tuples(st.just("shuffle"), st.integers(0, 70)),
    st.tuples(st.just("choices"), st.lists(st.floats(0, 9), min_size=1, max_size=9).filter(any), st.integers(0, 4)),
    st.tuples(st.just("seed"), seeds),
)

def perform(generator, name, *arguments):
    if name == "shuffle":
        items = list(range(arguments[0]))
        assert generator.shuffle(items) is None
        return items
    if name == "choices":
        weights, k = arguments
        items = range(len(weights))
        return generator.choices(items, weights, k=k) + generator.choices(items, k=k)
    return getattr(generator, name)(*arguments)

@settings(max_examples=200)
@given(seeds, st.lists(calls, max_size=30))
def test_any_sequence_of_calls(seed, sequence):
    """Fails for a call that draws more, less or in another order, or leaves the next one at another place."""
    ours, theirs = random_compat.Random(seed), stdlib.Random(seed)
    for call in sequence:
        assert perform(ours, *call) == perform(theirs, *call), call
    assert ours.random() == theirs.random()

@pytest.mark.parametrize("seed", [0, 1, -42, 2**32 + 7, 2**19968 - 1, 2**19968, -(3**20000)], ids=int.bit_length)
def test_seeds_of_any_length_over_many_rounds_of_the_state(seed):
    """Fails for a key cut to 624 words or taken from the high end, and for a twist that goes wrong in later rounds."""
    ours, theirs = random_compat.Random(seed), stdlib.Random(seed)
    assert [ours.random() for _ in range(2000)] == [theirs.random() for _ in range(2000)]
    assert [ours.gauss(0.0, 1.0) for _ in range(5)] == [theirs.gauss(0.0, 1.0) for _ in range(5)]
    for items in (list(range(1000)), list(range(257))):
        copy = list(items)
        ours.shuffle(items)
        theirs.shuffle(copy)
        assert items == copy

def test_choices_takes_all_that_cpythons_takes():
    """Fails for a search that stops on the wrong side of an item without weight, or runs past the last."""
    for arguments, keywords in (
        ((range(4), [0.0, 0.0, 1e-300, 0.0]), {"k": 5}), ((range(4), [0, 1, 0, 3]), {"k": 50}), (("abcdef",), {}),
        ((range(3),), {"cum_weights": [0.1, 0.1, 7.0], "k": 50}), (("ab",), {"weights": {1: 0, 2: 0}}),
    ):  # fmt: skip
        ours, theirs = random_compat.Random(9), stdlib.Random(9)
        assert ours.choices(*arguments, **keywords) == theirs.choices(*arguments, **keywords)
        assert ours.random() == theirs.random()
    ours.random = lambda: 1.0  # a product that rounds up to the total
    assert ours.choices("ab", [1.0, 2.0]) == ["b"]

# Errors

@pytest.mark.parametrize(
    "error, call",
    [
        (ValueError, lambda r: r.choices([], [1.0])), (ValueError, lambda r: r.choices([1, 2], [1.0])),
        (ValueError, lambda r: r.choices([1, 2], cum_weights=[1.0, 2.0, 3.0])),
        (ValueError, lambda r: r.choices([1, 2], [0.0, 0.0])), (ValueError, lambda r: r.choices([1, 2], [-1.0, -2.0])),
        *((ValueError, lambda r, w=float(w): r.choices([1, 2], [1.0, w])) for w in ("inf", "nan")),
        (TypeError, lambda r: r.choices([1, 2], [1.0, 2.0], cum_weights=[1.0, 3.0])),
        (TypeError, lambda r: r.choices([1, 2], 5)), (TypeError, lambda r: r.choices([1, 2], [1, 2], 3)),
        (IndexError, lambda r: r.choices([], [])), (IndexError, lambda r: r.choices([])),
        (TypeError, lambda r: r.choices([1], [1], k=1.5)), (ValueError, lambda r: r.getrandbits(-1)),
        (TypeError, lambda r: r.getrandbits(2.0)), (TypeError, lambda r: r.getrandbits()),
        (TypeError, lambda r: r.getrandbits(k=3)), (TypeError, lambda r: r.shuffle((1, 2, 3))),
        (TypeError, lambda r: r.gauss("a", 1)), (TypeError, lambda r: r.seed([])),
    ],
)  # fmt: skip
def test_errors_are_cpythons(error, call):
    """Fails for a call that CPython refuses and that is answered here, or refused with another error."""
    if sys.version_info >= (3, 11) and sys.implementation.name == "cpython":  # earlier ones let some of these pass
        with pytest.raises(error):
            call(stdlib.Random(1))
    with pytest.raises(error):
        call(random_compat.Random(1))

@pytest.mark.parametrize("seed", [1.0, "1", b"1", int])
def test_seeds_that_are_no_ints_are_refused(seed):
    """Fails for a float or a text hashed to a seed, which versions of CPython have done in different ways."""
    with pytest.raises(TypeError, match=f"not {type(seed).__name__}"):
        random_compat.seed(seed)

def test_no_seed_means_a_new_sequence():
    """Fails for Random() seeded with a constant."""
    assert len({random_compat.Random().random() for _ in range(3)}) == 3
    random_compat.seed(None)
    first = random_compat.random()
    random_compat.seed()
    assert random_compat.random() != first

def test_the_modules_functions_share_one_instance():
    """Fails for seed() of one generator and random() of another, or for the standard library's generator touched."""
    stdlib.seed(11)
    random_compat.seed(11)
    expected = random_compat.Random(x=11)
    mixed = [random_compat.random(), random_compat.gauss(), random_compat.getrandbits(40), random_compat.choices("abc")]
    assert mixed == [expected.random(), expected.gauss(), expected.getrandbits(40), expected.choices("abc")]
    a, b = list(range(50)), list(range(50))
    random_compat.shuffle(a)
    expected.shuffle(b)
    assert a == b
    assert stdlib.random() == stdlib.Random(11).random()
