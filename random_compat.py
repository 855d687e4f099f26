"""Python's random numbers, written out, so that every version of Python draws the same.

The documentation of `random` promises the same sequence for random() alone, not for gauss, shuffle
and choices. Here all four stay as they are in CPython 3.11 to 3.13. The generator is the Mersenne
Twister, MT19937 (Matsumoto and Nishimura, ACM TOMACS 8, 1998), seeded by its authors' init_by_array
(2002).

Everything else that `random` has is left out: other distributions, seeds that are not ints, saved
states. A generator is for one thread: two that share one may draw the same number.
"""

import math
import os
from bisect import bisect
from itertools import accumulate
from operator import index

N = 624  # words of state
M = 397  # distance to the word that is mixed into each
WORD, UPPER, LOWER = 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF  # 32 bits, the top one, the 31 below it


class Random:
    """A generator with a sequence of its own. Without a seed it starts anywhere."""

    def __init__(self, seed=None):
        self.seed(seed)

    def seed(self, seed=None):
        """Starts the sequence of an int of any size. As in CPython, its sign does not count."""
        if seed is None:
            seed = int.from_bytes(os.urandom(4 * N), "little")
        seed = abs(index(seed))  # index() refuses what is not an int
        key = [(seed >> shift) & WORD for shift in range(0, max(1, seed.bit_length()), 32)]
        mt = [19650218]
        for i in range(1, N):
            mt.append((1812433253 * (mt[-1] ^ (mt[-1] >> 30)) + i) & WORD)
        last = mt[0]  # the word written last
        i = 0  # runs from 1 to N - 1, again and again
        for n in range(max(N, len(key))):  # mix in the key
            i = i % (N - 1) + 1
            j = n % len(key)
            last = mt[i] = ((mt[i] ^ (1664525 * (last ^ (last >> 30)))) + key[j] + j) & WORD
        for _ in range(N - 1):  # mix once more
            i = i % (N - 1) + 1
            last = mt[i] = ((mt[i] ^ (1566083941 * (last ^ (last >> 30)))) - i) & WORD
        mt[0] = UPPER  # a state of zeros alone would stay so
        self._mt = mt
        self._used = N  # words that have been handed out
        self._gauss_next = None  # gauss() makes two deviates and keeps one

    def _bits(self, k):
        """An int of k random bits, at most 32."""
        mt = self._mt
        if self._used == N:  # twist: make the next N words of state
            for i in range(N):
                y = (mt[i] & UPPER) | (mt[(i + 1) % N] & LOWER)
                mt[i] = mt[(i + M) % N] ^ (y >> 1) ^ (0x9908B0DF if y & 1 else 0)
            self._used = 0
        y = mt[self._used]
        self._used += 1
        y ^= y >> 11  # temper: spread the bits of the word
        y ^= (y << 7) & 0x9D2C5680
        y ^= (y << 15) & 0xEFC60000
        y ^= y >> 18
        return y >> (32 - k)

    def random(self):
        """A float in [0, 1), a multiple of 2**-53."""
        return (self._bits(27) * 2**26 + self._bits(26)) / 2**53

    def gauss(self, mu=0.0, sigma=1.0):
        """A draw from the normal distribution, after Box and Muller (1958)."""
        z, self._gauss_next = self._gauss_next, None
        if z is None:
            angle = self.random() * 2 * math.pi
            radius = math.sqrt(-2 * math.log(1 - self.random()))
            z = math.cos(angle) * radius
            self._gauss_next = math.sin(angle) * radius
        return mu + z * sigma

    def shuffle(self, x):
        """Shuffles the list x in place, after Fisher and Yates (1938), from the last place down."""
        for i in reversed(range(1, len(x))):
            j = i + 1
            while j > i:  # draw until it fits: a remainder would favour some places
                j = self._bits((i + 1).bit_length())
            x[i], x[j] = x[j], x[i]

    def choices(self, population, weights=None, *, k=1):
        """A list of k draws from population: by weight, or each as likely as the others.

        Raises ValueError if the total of weights is 0, infinite or nan, or if one is missing."""
        sums = list(accumulate([1.0] * len(population) if weights is None else weights))
        if len(sums) != len(population):
            raise ValueError("the number of weights does not match the population")
        if not 0 < sums[-1] < math.inf:
            raise ValueError("the total of weights must be greater than zero and finite")
        last = len(population) - 1
        return [population[bisect(sums, self.random() * sums[-1], 0, last)] for _ in range(k)]


_inst = Random()
seed = _inst.seed
random = _inst.random
gauss = _inst.gauss
shuffle = _inst.shuffle
choices = _inst.choices
