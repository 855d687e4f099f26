// The whole default run under CPython 3.14 in WebAssembly: node .ci/webassembly.mjs
//
// Needs the npm package pyodide, version 314. Compares stdout with tests/golden/default.stdout.txt.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(path.join(process.cwd(), "index.js")); // installed where it is started
const { loadPyodide } = require("pyodide");

const pyodide = await loadPyodide();
const chunks = [];
pyodide.setStdout({ write: (bytes) => chunks.push(Buffer.from(bytes)) && bytes.length });
for (const name of ["microgpt.py", "random_compat.py", "input.txt"])
  pyodide.FS.writeFile(name, fs.readFileSync(path.join(root, name)));
pyodide.runPython(`
import sys
sys.path.insert(0, ".")
sys.argv = ["microgpt.py"]
import microgpt
microgpt.main()
sys.stdout.flush()
`);

const expected = fs.readFileSync(path.join(root, "tests", "golden", "default.stdout.txt"));
const same = Buffer.concat(chunks).equals(expected);
const version = pyodide.runPython("sys.version.split()[0]");
console.log(`CPython ${version} in WebAssembly prints ${same ? "the same" : "SOMETHING ELSE"}`);
process.exit(same ? 0 : 1);
