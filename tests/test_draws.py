"""random_compat draws what CPython's random draws, for good: published vectors and frozen draws."""

import copy
import os
import pickle
import random as stdlib
import sys

import pytest
from frozen import FROZEN, changed_in_the_standard_library, draws_of, rounded

import random_compat

changed = changed_in_the_standard_library()
with_the_standard_library = pytest.mark.skipif(
    bool(changed), reason=f"this Python draws other numbers than 3.11 to 3.13 in {changed}"
)

# Published numbers


def test_the_authors_vector():
    """mt19937ar.out, by the authors of MT19937: 1000 words from the key 0x123 0x234 0x345 0x456."""
    generator = random_compat.Random(0x123 | 0x234 << 32 | 0x345 << 64 | 0x456 << 96)
    words = [generator.getrandbits(32) for _ in range(1000)]
    assert words[:5] == [1067595299, 955945823, 477289528, 4107218783, 4228976476]
    assert words[5:10] == [3344332714, 3355579695, 227628506, 810200273, 2591290167]
    assert words[-1] == 3460025646
    floats = [f"{generator.getrandbits(32) / 2**32:.8f}" for _ in range(10)]
    assert floats[:5] == ["0.76275443", "0.99000644", "0.98670464", "0.10143112", "0.27933125"]
    assert floats[5:] == ["0.69867227", "0.94218740", "0.03427201", "0.78842173", "0.28180608"]


@pytest.mark.parametrize("name", FROZEN)
def test_the_frozen_draws_of_seed_42(name):
    """What CPython 3.11 to 3.13 draw, whatever this Python's own random does."""
    assert draws_of(random_compat)[name] == rounded(FROZEN)[name]


# The standard library, draw by draw

LONG_SEEDS = [0, 1, -42, 2**32 + 7, 2**19968 - 1, 2**19968, -(3**20000)]


@with_the_standard_library
@pytest.mark.parametrize("seed", LONG_SEEDS, ids=int.bit_length)
def test_seeds_of_any_length_over_many_rounds_of_the_state(seed):
    """2000 floats, 5 deviates and two shuffles agree, from keys of up to 991 words."""
    ours, theirs = random_compat.Random(seed), stdlib.Random(seed)
    for i in range(2000):
        assert ours.random() == theirs.random(), f"draw {i}"
    for i in range(5):
        assert ours.gauss(0.0, 1.0) == theirs.gauss(0.0, 1.0), f"deviate {i}"
    for n in (1000, 257):
        our_list, their_list = list(range(n)), list(range(n))
        ours.shuffle(our_list)
        theirs.shuffle(their_list)
        assert our_list[:10] == their_list[:10]
        assert our_list == their_list


CHOICES = {
    "one item has a weight": ([range(4), [0.0, 0.0, 1e-300, 0.0]], {"k": 5}),
    "items without weight": ([range(4), [0, 1, 0, 3]], {"k": 50}),
    "no weights": (["abcdef"], {}),
    "cumulative weights": ([range(3)], {"cum_weights": [0.1, 0.1, 7.0], "k": 50}),
    "keys of a dict": (["ab"], {"weights": {1: 0, 2: 0}}),
}


@with_the_standard_library
@pytest.mark.parametrize("name", CHOICES)
def test_choices_of_every_kind(name):
    """Weights, cumulative weights or none: the same items, and the same next draw."""
    arguments, keywords = CHOICES[name]
    ours, theirs = random_compat.Random(9), stdlib.Random(9)
    assert ours.choices(*arguments, **keywords) == theirs.choices(*arguments, **keywords)
    assert ours.random() == theirs.random()


@pytest.mark.parametrize("fraction, item", [(0.0, "b"), (0.5, "c"), (1.0, "c")])
def test_an_item_without_weight_is_never_chosen(fraction, item):
    """random() may be 0.0, and a product with the total may round up to the total."""
    generator = random_compat.Random(9)
    generator.random = lambda: fraction
    assert generator.choices("abc", [0.0, 1.0, 2.0]) == [item]


# Errors

ERRORS = {
    "more weights than items": (ValueError, lambda r: r.choices([], [1.0])),
    "fewer weights than items": (ValueError, lambda r: r.choices([1, 2], [1.0])),
    "too many sums": (ValueError, lambda r: r.choices([1, 2], cum_weights=[1.0, 2.0, 3.0])),
    "weights of 0": (ValueError, lambda r: r.choices([1, 2], [0.0, 0.0])),
    "weights below 0": (ValueError, lambda r: r.choices([1, 2], [-1.0, -2.0])),
    "an infinite weight": (ValueError, lambda r: r.choices([1, 2], [1.0, float("inf")])),
    "a weight of nan": (ValueError, lambda r: r.choices([1, 2], [1.0, float("nan")])),
    "both kinds": (TypeError, lambda r: r.choices([1, 2], [1.0, 2.0], cum_weights=[1.0, 3.0])),
    "a number for weights": (TypeError, lambda r: r.choices([1, 2], 5)),
    "k by position": (TypeError, lambda r: r.choices([1, 2], [1, 2], 3)),
    "nothing to choose from": (IndexError, lambda r: r.choices([])),
    "nothing, with weights": (IndexError, lambda r: r.choices([], [])),
    "k of 1.5": (TypeError, lambda r: r.choices([1], [1], k=1.5)),
    "bits below 0": (ValueError, lambda r: r.getrandbits(-1)),
    "bits of 2.0": (TypeError, lambda r: r.getrandbits(2.0)),
    "no number of bits": (TypeError, lambda r: r.getrandbits()),
    "bits by name": (TypeError, lambda r: r.getrandbits(k=3)),
    "a tuple to shuffle": (TypeError, lambda r: r.shuffle((1, 2, 3))),
    "a text for a mean": (TypeError, lambda r: r.gauss("a", 1)),
    "a list for a seed": (TypeError, lambda r: r.seed([])),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cpython_refuses_is_refused(name):
    """The same calls raise the same errors."""
    error, call = ERRORS[name]
    with pytest.raises(error):
        call(random_compat.Random(1))


@pytest.mark.skipif(
    sys.version_info < (3, 11) or sys.implementation.name != "cpython",
    reason="CPython before 3.11, and PyPy, let some of these pass",
)
@pytest.mark.parametrize("name", ERRORS)
def test_cpython_refuses_it(name):
    """The table of errors above is CPython's."""
    error, call = ERRORS[name]
    with pytest.raises(error):
        call(stdlib.Random(1))


@pytest.mark.parametrize("seed", [1.0, "1", b"1", int])
def test_seeds_that_are_no_ints_are_refused(seed):
    """Versions of CPython have made different numbers of a float or a text."""
    with pytest.raises(TypeError, match=f"not {type(seed).__name__}"):
        random_compat.seed(seed)


# Generators


def test_the_sign_of_a_seed_does_not_count():
    """-42 and 42 are the same seed, as in CPython."""
    assert random_compat.Random(-42).random() == random_compat.Random(42).random()


def test_the_normal_distribution_is_the_standard_one_by_default():
    """gauss() is gauss(0, 1)."""
    assert random_compat.Random(42).gauss() == random_compat.Random(42).gauss(0, 1)


def test_no_seed_means_a_new_sequence():
    """Random() and seed(None) start from the system's randomness."""
    assert len({random_compat.Random().random() for _ in range(3)}) == 3
    random_compat.seed(None)
    first = random_compat.random()
    random_compat.seed()
    assert random_compat.random() != first


def test_no_seed_takes_as_much_randomness_as_the_state_holds(monkeypatch):
    """624 words of 32 bits, as CPython takes from the system."""
    asked = []
    monkeypatch.setattr(os, "urandom", lambda size: asked.append(size) or bytes(size))
    random_compat.Random()
    assert asked == [624 * 4]


def test_the_modules_functions_share_one_generator():
    """seed() is followed by all of them, and the standard library's generator is left alone."""
    stdlib.seed(11)
    random_compat.seed(11)
    expected = random_compat.Random(x=11)
    assert random_compat.random() == expected.random()
    assert random_compat.gauss() == expected.gauss()
    assert random_compat.getrandbits(40) == expected.getrandbits(40)
    assert random_compat.choices("abc") == expected.choices("abc")
    ours, theirs = list(range(50)), list(range(50))
    random_compat.shuffle(ours)
    expected.shuffle(theirs)
    assert ours == theirs
    assert stdlib.random() == stdlib.Random(11).random()


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
@pytest.mark.parametrize("used", [0, 1, 623, 624])
def test_a_copy_goes_on_by_itself(copied, used):
    """A copy draws what the original would have drawn, and neither disturbs the other."""
    original = random_compat.Random(5)
    for _ in range(used):
        original.getrandbits(32)
    original.gauss()
    twin = copied(original)
    expected = [original.gauss() for _ in range(700)]
    assert [twin.gauss() for _ in range(700)] == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork in a process with threads
def test_a_forked_process_draws_numbers_of_its_own():
    """Workers of a pool do not all draw the same, as with CPython's random."""
    random_compat.seed(3)
    read, write = os.pipe()
    for _ in range(2):
        if os.fork() == 0:
            os.write(write, f"{random_compat.getrandbits(64)}\n".encode())
            os._exit(0)
    for _ in range(2):
        os.wait()
    os.close(write)
    with os.fdopen(read) as pipe:
        drawn = {int(line) for line in pipe}
    assert len(drawn | {random_compat.getrandbits(64)}) == 3
    assert random_compat.random() == draw_after_one_word(3)


def draw_after_one_word(seed):
    """What the parent draws next: a fork does not touch its own sequence."""
    generator = random_compat.Random(seed)
    generator.getrandbits(64)
    return generator.random()
