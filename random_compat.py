"""CPython's random numbers, pinned: the same seed gives the same draws with every version of Python, today's and later.

Why not `import random`? Its documentation guarantees two things across versions: that a seeder compatible with today's
stays available, and that random() then keeps producing the same sequence. How gauss, shuffle and choices use that
sequence may change with any release, and the same seed would then start a program with other weights and another order
of its data. So they are written out here, as they are in CPython 3.11 to 3.13; `import random` gives the same draws.

The generator is MT19937, the Mersenne Twister: M. Matsumoto and T. Nishimura, "Mersenne Twister: A 623-dimensionally
equidistributed uniform pseudo-random number generator", ACM TOMACS 8 (1998), seeded with their init_by_array of 2002.
"""

from __future__ import annotations

import math
import os
from bisect import bisect
from collections.abc import Iterable, MutableSequence, Sequence
from itertools import accumulate
from typing import Any

N, M = 624, 397  # words of state; how far ahead lies the word that is mixed into each of them
WORD, UPPER, LOWER = 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF  # masks: the 32 bits of a word, its top bit, the 31 below
# The numbers without a name are the authors', chosen by search for a period of 2**19937 - 1 and evenly spread words.


class Random:
    """One stream of draws; Random(x) starts as after seed(x)."""
    def __init__(self, x: int | None = None) -> None:
        self.seed(x)

    def seed(self, a: int | None = None, version: int = 2) -> None:
        """Start the stream of a, an int of any size; -a has the same, None a new one. `version` makes no difference.

        Raises TypeError for a float, a str or any other type: how CPython turns those into ints has changed before.
        """
        a = int.from_bytes(os.urandom(4 * N), "little") if a is None else a
        if not isinstance(a, int):
            raise TypeError(f"a seed must be an int or None, not {type(a).__name__}")
        key = [(abs(a) >> shift) & WORD for shift in range(0, max(1, a.bit_length()), 32)]  # its words, lowest first
        state = [19650218]
        for i in range(1, N):
            state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + i) & WORD)
        last, i = state[0], 0  # the word written last, which goes into the next; i runs 1, 2 ... N - 1, 1, 2 ...
        for n in range(max(N, len(key))):  # mix in the words of the key
            i, j = i % (N - 1) + 1, n % len(key)
            last = state[i] = ((state[i] ^ (1664525 * (last ^ (last >> 30)))) + key[j] + j) & WORD
        for _ in range(N - 1):  # and once around without it
            i = i % (N - 1) + 1
            last = state[i] = ((state[i] ^ (1566083941 * (last ^ (last >> 30)))) - i) & WORD
        state[0] = UPPER  # so that the state is never all zeros, which would stay zeros
        self._state, self._used = state, N  # all words count as used: the first draw makes new ones
        self._spare: float | None = None  # gauss() makes two deviates at a time and keeps one here

    def _word(self) -> int:
        """The next 32 random bits."""
        state = self._state
        if self._used == N:  # twist: a new word from the one M ahead, the top bit of the old and the rest of the next
            for i in range(N):
                y = (state[i] & UPPER) | (state[(i + 1) % N] & LOWER)
                state[i] = state[(i + M) % N] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
            self._used = 0
        y = state[self._used]
        self._used += 1
        y ^= y >> 11  # temper: hide the pattern that the words of the state have among them
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        return y ^ (y >> 18)

    def getrandbits(self, k: int, /) -> int:
        """An int of k random bits, filled a word at a time from its low end. Raises ValueError for k < 0."""
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        return sum((self._word() >> max(0, 32 + low - k)) << low for low in range(0, k, 32))  # of the last, its top

    def random(self) -> float:
        """A float in [0, 1): one of the 2**53 multiples of 2**-53 there, each as likely as any other."""
        return ((self._word() >> 5) * 2**26 + (self._word() >> 6)) / 2**53  # 27 bits, then 26

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """A draw from the normal distribution of mean mu and standard deviation sigma, after Box and Muller (1958)."""
        z, self._spare = self._spare, None
        if z is None:  # a random angle and a random radius make two independent deviates
            angle, radius = self.random() * 2 * math.pi, math.sqrt(-2 * math.log(1 - self.random()))  # never log(0)
            z, self._spare = math.cos(angle) * radius, math.sin(angle) * radius
        return mu + z * sigma

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Put x in random order, in place, after Fisher and Yates (1938), from the last place down."""
        for i in reversed(range(1, len(x))):
            j = i + 1
            while j > i:  # draw the bits of a place until it is one of 0..i: a remainder would favour some of them
                j = self.getrandbits((i + 1).bit_length())
            x[i], x[j] = x[j], x[i]

    def choices(self, population: Sequence[Any], weights: Iterable[float] | None = None, *,
                cum_weights: Sequence[float] | None = None, k: int = 1) -> list[Any]:  # fmt: skip
        """k items of population, drawn with replacement, each as likely as its weight, or its step in cum_weights.

        Raises TypeError if given both; ValueError if they are not one for each item, or their total is not positive
        and finite; IndexError if there is nothing to choose from.
        """
        if weights is not None:
            if cum_weights is not None:
                raise TypeError("cannot specify both weights and cumulative weights")
            cum_weights = list(accumulate(weights))
        if cum_weights is None:
            return [population[int(self.random() * len(population))] for _ in range(k)]
        if len(cum_weights) != len(population):
            raise ValueError("the number of weights does not match the population")
        total, last = cum_weights[-1], len(population) - 1  # last: even if rounding lifts the draw to the total
        if not 0 < total < math.inf:
            raise ValueError("the total of weights must be greater than zero and finite")
        return [population[bisect(cum_weights, self.random() * total, 0, last)] for _ in range(k)]


_hidden = Random()  # one stream for all who use the module's functions
seed, random, getrandbits = _hidden.seed, _hidden.random, _hidden.getrandbits
gauss, shuffle, choices = _hidden.gauss, _hidden.shuffle, _hidden.choices
