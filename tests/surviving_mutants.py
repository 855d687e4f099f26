"""Which mutants survived, against those in surviving_mutants.txt: python tests/surviving_mutants.py SESSION.sqlite

Prints the counts and every survivor. Ends with 1 if one survived that surviving_mutants.txt does not explain.
"""

import collections
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

def changed_lines(diff):
    """(old, new) from a unified diff of one change, in one line each."""
    lines = [line for line in diff.splitlines() if line[:3] not in ("---", "+++")]
    return tuple(" ".join(line[1:].strip() for line in lines if line[:1] == sign) for sign in "-+")

def survivors_of(session):
    """Counter of outcomes, and [(module, old, new)] of the survivors."""
    dump = subprocess.run(["cosmic-ray", "dump", session], stdout=subprocess.PIPE, text=True, check=True).stdout
    outcomes, survivors = collections.Counter(), []
    for item, result in map(json.loads, dump.splitlines()):
        outcome = result["test_outcome"] if result else "not run"
        outcomes[outcome] += 1
        if outcome == "survived":
            survivors.append((item["mutations"][0]["module_path"], *changed_lines(result["diff"])))
    return outcomes, survivors

def explained():
    """{(module, old, new)} from blocks of four lines: reason, module, - old, + new."""
    blocks = (HERE / "surviving_mutants.txt").read_text(encoding="utf-8").split("\n\n")
    lines = [block.strip().splitlines() for block in blocks if not block.startswith("#")]
    return {(module, old[2:], new[2:]) for _, module, old, new in filter(None, lines)}

def main():
    outcomes, survivors = survivors_of(sys.argv[1])
    total = sum(outcomes.values())
    print(f"{total} mutants: {dict(outcomes)}; {(total - outcomes['survived']) / total:.1%} did not survive")
    known = explained()
    for module, old, new in survivors:
        print(f"\n{'explained' if (module, old, new) in known else 'NOT EXPLAINED'}\n{module}\n- {old}\n+ {new}")
    if outcomes["not run"] or not known.issuperset(survivors):
        sys.exit("a mutant survived that surviving_mutants.txt does not explain, or was not run")

if __name__ == "__main__":
    main()
