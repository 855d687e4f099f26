"""How fast it is, and against what: python tests/benchmark.py [INPUT] [--reference PATH/microgpt.js] [--rounds N]

Four contestants train the same model on the same documents, in turn, each in a process of its own, for several rounds:

    microgpt    microgpt.py as it is
    reference   microgpt.js under Node, where --reference names it (with its random.js beside it) and node is there
    oracle      tests/oracle.py: the reference's algorithm in Python, one node for each scalar operation
    floor       the backward pass derived by hand over lists of floats (below), without a graph: what is left of the
                time when autograd costs nothing

No time is believed before the losses agree: to 1e-12 in Python, and byte for byte in what the reference prints. Times
are medians over the rounds, ratios are formed within a round, and behind each stand the smallest and the largest.
"""

import argparse
import gc
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import oracle  # noqa: E402

import microgpt  # noqa: E402

clock = time.perf_counter
STEPS, ORACLE_STEPS, ENDURANCE = 300, 10, 20_000


class Floor:
    """The same model by hand. Vectors are lists of floats; gradients are formulas, applied in reverse.

    For y = W x: dW = dy x^T and dx = W^T dy. For p = softmax(z): dz = p * (dp - dp.p). For y = x s with
    s = (mean(x^2) + eps)^(-1/2): dx = dy s - x s^3 (dy.x) / n. For -log softmax(z)[t]: dz = p, less 1 at t.
    """

    def __init__(self, state_dict, config):
        self.config, self.steps = config, 0
        self.weights = {name: [[p.data for p in row] for row in matrix] for name, matrix in state_dict.items()}
        self.means, self.squares = self.zeros(), self.zeros()

    def zeros(self):
        return {name: [[0.0] * len(row) for row in matrix] for name, matrix in self.weights.items()}

    def loss_and_gradients(self, tokens):
        config, weights, gradients = self.config, self.weights, self.zeros()
        n, d = min(config.block_size, len(tokens) - 1), config.n_embd // config.n_head
        scale, heads = 1 / d**0.5, range(0, config.n_embd, d)
        layers = [f"layer{li}." for li in range(config.n_layer)]
        keys, values = {li: [] for li in layers}, {li: [] for li in layers}
        loss, tape = 0.0, []
        for t in range(n):  # forward; the tape keeps what the way back needs
            x0 = add(weights["wte"][tokens[t]], weights["wpe"][t])
            x, s0 = rmsnorm(x0)
            kept = []
            for li in layers:
                xn, s = rmsnorm(x)
                q = linear(xn, weights[li + "attn_wq"])
                keys[li].append(linear(xn, weights[li + "attn_wk"]))
                values[li].append(linear(xn, weights[li + "attn_wv"]))
                attention, mixed = [], []
                for h in heads:
                    p = softmax([dot(q[h : h + d], k[h : h + d]) * scale for k in keys[li]])
                    attention.append(p)
                    mixed += [dot(p, [v[j] for v in values[li]]) for j in range(h, h + d)]
                middle = add(linear(mixed, weights[li + "attn_wo"]), x)
                mn, ms = rmsnorm(middle)
                hidden = [max(0.0, a) for a in linear(mn, weights[li + "mlp_fc1"])]
                kept.append((li, x, s, xn, q, attention, mixed, middle, ms, mn, hidden))
                x = add(linear(hidden, weights[li + "mlp_fc2"]), middle)
            p = softmax(linear(x, weights["lm_head"]))
            loss -= math.log(p[tokens[t + 1]])
            tape.append((x0, s0, kept, x, p))
        d_keys = {li: [[0.0] * config.n_embd for _ in range(n)] for li in layers}
        d_values = {li: [[0.0] * config.n_embd for _ in range(n)] for li in layers}
        for t in reversed(range(n)):  # backward
            x0, s0, kept, x, p = tape[t]
            d_logits = [a / n for a in p]
            d_logits[tokens[t + 1]] -= 1 / n
            dx = linear_back(x, weights["lm_head"], gradients["lm_head"], d_logits)
            for li, x, s, xn, q, attention, mixed, middle, ms, mn, hidden in reversed(kept):
                d_hidden = linear_back(hidden, weights[li + "mlp_fc2"], gradients[li + "mlp_fc2"], dx)
                d_hidden = [g if a else 0.0 for g, a in zip(d_hidden, hidden)]
                d_mn = linear_back(mn, weights[li + "mlp_fc1"], gradients[li + "mlp_fc1"], d_hidden)
                dx = add(dx, rmsnorm_back(middle, ms, d_mn))
                d_mixed = linear_back(mixed, weights[li + "attn_wo"], gradients[li + "attn_wo"], dx)
                dq = [0.0] * config.n_embd
                for h, p in zip(heads, attention):
                    head, d_head, dp = range(h, h + d), d_mixed[h : h + d], []
                    for v, dv, pi in zip(values[li], d_values[li], p):
                        dp.append(dot(d_head, v[h : h + d]))
                        for j, g in zip(head, d_head):
                            dv[j] += pi * g
                    middle_of_dp = dot(p, dp)
                    for k, dk, pi, dpi in zip(keys[li], d_keys[li], p, dp):
                        g = pi * (dpi - middle_of_dp) * scale
                        for j in head:
                            dq[j] += g * k[j]
                            dk[j] += g * q[j]
                dn = linear_back(xn, weights[li + "attn_wq"], gradients[li + "attn_wq"], dq)
                dn = add(dn, linear_back(xn, weights[li + "attn_wk"], gradients[li + "attn_wk"], d_keys[li][t]))
                dn = add(dn, linear_back(xn, weights[li + "attn_wv"], gradients[li + "attn_wv"], d_values[li][t]))
                dx = add(dx, rmsnorm_back(x, s, dn))
            dx = rmsnorm_back(x0, s0, dx)
            for name, row in (("wte", tokens[t]), ("wpe", t)):
                gradients[name][row] = add(gradients[name][row], dx)
        return loss / n, gradients

    def train_step(self, tokens):
        config = self.config
        loss, gradients = self.loss_and_gradients(tokens)
        beta1, beta2, eps, sqrt = config.beta1, config.beta2, config.eps_adam, math.sqrt
        rate = config.learning_rate * (1 - self.steps / config.num_steps)
        self.steps += 1
        bc1, bc2 = 1 - beta1**self.steps, 1 - beta2**self.steps
        for name, rows in self.weights.items():
            means, squares = self.means[name], self.squares[name]
            for i, (row, g) in enumerate(zip(rows, gradients[name])):
                means[i] = m = [beta1 * a + (1 - beta1) * b for a, b in zip(means[i], g)]
                squares[i] = v = [beta2 * a + (1 - beta2) * (b * b) for a, b in zip(squares[i], g)]
                rows[i] = [w - rate * (a / bc1) / (sqrt(b / bc2) + eps) for w, a, b in zip(row, m, v)]
        return loss


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def dot(a, b):
    total = 0.0
    for x, y in zip(a, b):
        total += x * y
    return total


def linear(x, w):
    return [dot(row, x) for row in w]


def linear_back(x, w, dw, dy):
    """Adds to dw; returns dx. Rows with a gradient of 0, those of silent units, are passed over."""
    dx = [0.0] * len(x)
    for i, (g, row) in enumerate(zip(dy, w)):
        if g:
            dw[i] = [a + g * b for a, b in zip(dw[i], x)]
            dx = [a + g * b for a, b in zip(dx, row)]
    return dx


def rmsnorm(x):
    s = (dot(x, x) * (1 / len(x)) + 1e-5) ** -0.5
    return [a * s for a in x], s


def rmsnorm_back(x, s, dy):
    c = dot(x, dy) * s**3 / len(x)
    return [g * s - a * c for a, g in zip(x, dy)]


def softmax(z):
    top = max(z)
    exps = [math.exp(a - top) for a in z]
    total = 0.0
    for e in exps:
        total += e
    return [e * (1 / total) for e in exps]


# Workers: this file again, as `benchmark.py --worker NAME INPUT STEPS SETTINGS`, printing one line of JSON


def worker(name, path, steps, settings):
    if name != "oracle" and hasattr(gc, "set_threshold"):
        gc.set_threshold(100_000)  # as microgpt.main() does; the oracle's graphs are cycles, which must be collected
    config = microgpt.Config(**settings)
    microgpt.random.seed(config.seed)
    docs = microgpt.load_docs(path)
    if name == "oracle":
        step = oracle.Oracle(docs).train_step
    else:
        microgpt.random.shuffle(docs)
        tokenizer = microgpt.Tokenizer(docs)
        state_dict = microgpt.init_state_dict(config, tokenizer.vocab_size)
        if name == "floor":
            model = Floor(state_dict, config)
            tokens = (tokenizer.encode(docs[i % len(docs)]) for i in range(steps))
            step = lambda: model.train_step(next(tokens))  # noqa: E731
        else:
            training = microgpt.train(docs, tokenizer, state_dict, config)
            step = lambda: next(training)[1]  # noqa: E731
    shares = {"forward": 0.0, "backward": 0.0}
    if name == "shares":
        microgpt.forward = timed(microgpt.forward, "forward", shares)
        microgpt.Value.backward = timed(microgpt.Value.backward, "backward", shares)
    losses, times = [], []
    for _ in range(steps):
        start = clock()
        losses.append(step())
        times.append(clock() - start)
    lengths = [min(config.block_size, len(docs[i % len(docs)]) + 1) for i in range(steps)]
    print(json.dumps({"losses": losses, "times": times, "shares": shares, "lengths": lengths,
                      "vocab_size": len(set("".join(docs))) + 1}))  # fmt: skip


def timed(function, name, shares):
    def wrapped(*arguments):
        start = clock()
        result = function(*arguments)
        shares[name] += clock() - start
        return result

    return wrapped


def run_worker(name, path, steps, **settings):
    command = [sys.executable, __file__, "--worker", name, str(path), str(steps), json.dumps(settings)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def run_program(command, cwd):
    """(stdout, seconds to the first step line, seconds to the end, peak memory in MiB) of a whole process."""
    start, first, chunks = clock(), None, []
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE)
    for chunk in iter(lambda: os.read(process.stdout.fileno(), 1 << 16), b""):
        chunks.append(chunk)
        first = first or (clock() - start if b"step" in chunk else None)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = clock() - start
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"benchmark: {command} ended with status {process.returncode}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return b"".join(chunks), first, seconds, usage.ru_maxrss / unit


def multiply_adds(config, vocab_size, length):
    """Those of a forward pass over length tokens: one for each weight that a token meets, and attention's."""
    matrices = 12 * config.n_layer * config.n_embd**2 + vocab_size * config.n_embd
    return length * matrices + config.n_layer * 2 * config.n_embd * length * (length + 1) // 2


def spread(numbers, form="{:.2f}"):
    middle, low, high = (form.format(f(numbers)) for f in (statistics.median, min, max))
    return f"{middle} ({low} - {high})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="?", default=str(ROOT / "input.txt"), help="the documents (default: input.txt)")
    parser.add_argument("--reference", metavar="PATH/microgpt.js", help="the reference, with random.js beside it")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contestant runs (default: 5)")
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.input).resolve()
    program = [sys.executable, str(ROOT / "microgpt.py"), str(path)]
    print(f"{platform.python_implementation()} {platform.python_version()}, {path.name}, {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        reference = None
        if not arguments.reference:
            print("reference left out: no --reference PATH/microgpt.js was given")
        elif not shutil.which("node"):
            print("reference left out: there is no node on this machine")
        else:
            source = pathlib.Path(arguments.reference).resolve()
            for original, name in (
                (source, "microgpt.js"),
                (source.with_name("random.js"), "random.js"),
                (path, "input.txt"),
            ):
                shutil.copy(original, pathlib.Path(folder, name))
            pathlib.Path(folder, "package.json").write_text('{"type": "module"}')
            reference = ["node", "microgpt.js"]
        ours, theirs, steps = [], [], {"microgpt": [], "floor": [], "oracle": []}
        for _ in range(arguments.rounds):
            ours.append(run_program(program, folder))
            if reference:
                theirs.append(run_program(reference, folder))
                if theirs[-1][0] != ours[-1][0]:
                    sys.exit("benchmark: the reference prints something else")
            for name, rounds in steps.items():
                rounds.append(run_worker(name, path, ORACLE_STEPS if name == "oracle" else STEPS))
                for a, b in zip(rounds[-1]["losses"], steps["microgpt"][0]["losses"]):
                    if not abs(a - b) <= 1e-12:
                        sys.exit(f"benchmark: the losses of {name} are others: {a} for {b}")

    def per_step(name, count):
        return [sum(r["times"][:count]) / count * 1e3 for r in steps[name]]

    def ratio(a, b):
        return spread([x / y for x, y in zip(a, b)])

    rows = [("", "ms a step", "whole process, s", "first step line, s", "peak memory, MiB")]
    for name, runs in (("microgpt", ours), ("reference", theirs)):
        if runs:
            middle = spread(per_step(name, STEPS)) if name in steps else ""
            rows.append((name, middle, *(spread([run[i] for run in runs]) for i in (2, 1, 3))))
    rows.append(("floor", spread(per_step("floor", STEPS)), "", "", ""))
    rows.append(("oracle", spread(per_step("oracle", ORACLE_STEPS)), "", "", ""))
    table(rows)

    rows = [("", "ratio", "required", "aim")]
    if theirs:
        seconds = ratio([run[2] for run in theirs], [run[2] for run in ours])
        rows.append(("reference / microgpt, whole process", seconds, ">= 1.3", ">= 1.6"))
    same = ratio(per_step("oracle", ORACLE_STEPS), per_step("microgpt", ORACLE_STEPS))
    rows.append(("oracle / microgpt, the same steps", same, ">= 20", ">= 26"))
    same = ratio(per_step("microgpt", STEPS), per_step("floor", STEPS))
    rows.append(("microgpt / floor, the same steps", same, "<= 1.55", "<= 1.25"))
    table(rows)

    rows = [("steps", "peak memory, MiB")]
    for count in (100, 5000):
        rows.append((count, f"{run_program([*program, '--num-steps', str(count)], ROOT)[3]:.1f}"))
    table(rows)

    long = run_worker("microgpt", path, ENDURANCE, n_embd=4, n_head=2, num_steps=ENDURANCE)["times"]
    rows = [(f"of {ENDURANCE:,} steps at n_embd 4", "ms a step")]
    for first in range(0, ENDURANCE, ENDURANCE // 5):
        part = long[first : first + ENDURANCE // 5]
        rows.append((f"{first + 1:,} to {first + len(part):,}", f"{statistics.mean(part) * 1e3:.3f}"))
    table(rows)

    shares = run_worker("shares", path, STEPS)
    total = sum(shares["times"])
    parts = {**shares["shares"], "Adam": total - sum(shares["shares"].values())}
    table(
        [("of a step", "ms", "share")] + [(k, f"{v / STEPS * 1e3:.2f}", f"{v / total:.0%}") for k, v in parts.items()]
    )

    rows = [("n_embd", "n_layer", "ms a step", "ns a multiply-add, forward and backward")]
    for n_embd, n_layer in ((8, 1), (16, 1), (32, 1), (64, 1), (16, 2), (16, 4), (16, 8)):
        settings = {"n_embd": n_embd, "n_layer": n_layer}
        result = run_worker("microgpt", path, 40, **settings)
        config, seconds = microgpt.Config(**settings), sum(result["times"])
        work = 3 * sum(multiply_adds(config, result["vocab_size"], length) for length in result["lengths"])
        rows.append((n_embd, n_layer, f"{seconds / 40 * 1e3:.1f}", f"{seconds / work * 1e9:.0f}"))
    table(rows)


def table(rows):
    """A Markdown table."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    print()
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), json.loads(sys.argv[5]))
    else:
        main()
