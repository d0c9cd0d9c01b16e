"""YAML documents that must be refused in one line, and values that no key takes."""

BASES = {
    "sweep": (
        "kind: sweep\nschema_version: 1\nname: short\nsuts: [cpu-onnxruntime]\n"
        "workloads: [digits-mlp-12.5-fp32]\nscenarios: [Offline]\nmodes: [PerformanceOnly]\n"
        "settings: {min_duration_s: 0.1}\n"
        "deployment: {batch_size: [8], threads: [1], streams: [1]}\nrepeats: 1\n"
    ),
    "sut": (
        "kind: sut\nschema_version: 1\nname: device\ntitle: a device\nadapter: simulated\n"
        "options: {latency_us: 100.0}\ndeployment:\n  tune: {batch_size: [1, 8]}\n"
        "operating_modes:\n  default: {enter: ['true'], leave: ['true']}\n"
        "platform: {family: test, source: test, peaks_tops: {fp32: 1.0}, memory_bandwidth_gb_s: 10.0}\n"
    ),
    "workload": (
        "kind: workload\nschema_version: 1\nname: mine\ntask: image-classification\n"
        "dataset: {name: digits, split: test}\nmodel:\n  file: MODEL\n"
        "  input: {name: image, dtype: float32, shape: [batch, 1, 8, 8]}\n"
        "  output: {name: scores, kind: scores, label_offset: 0}\nvariant: {topology: digits-mlp}\n"
    ),
}


def laughs(depth: int, width: int) -> str:
    """Aliases of aliases: width ** depth values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth + 1)]
    return "\n".join(lines) + "\n"


# Whole documents, in place of any file; not one is a mapping that the package knows.
DOCUMENTS: dict[str, str | bytes] = {
    "empty": "",
    "comment only": "# nothing\n",
    "null": "null\n",
    "number": "42\n",
    "text": "just a text\n",
    "list": "[1, 2, 3]\n",
    "two documents": "kind: sweep\n---\nkind: sweep\n",
    "unclosed bracket": "kind: [sweep\n",
    "unclosed quote": 'kind: "sweep\n',
    "tab indent": "kind:\n\t- sweep\n",
    "key twice": "kind: sweep\nkind: sweep\n",
    "no kind": "schema_version: 1\n",
    "binary": "kind: !!binary aGVsbG8=\n",
    "binary of no base64": "kind: !!binary '%%%'\n",
    "set": "kind: !!set {a, b}\n",
    "ordered map": "kind: !!omap [a: 1, b: 2]\n",
    "pairs": "kind: !!pairs [a: 1, a: 2]\n",
    "int of text": "kind: !!int abc\n",
    "float of text": "kind: !!float abc\n",
    "bool of text": "kind: !!bool maybe\n",
    "null of text": "kind: !!null abc\n",
    "int of list": "kind: !!int [1]\n",
    "str of map": "kind: !!str {a: 1}\n",
    "map of text": "kind: !!map abc\n",
    "sequence of text": "kind: !!seq abc\n",
    "timestamp": "kind: 2001-12-14t21:59:43.10-05:00\n",
    "timestamp out of range": "kind: !!timestamp 2001-99-99\n",
    "python object": "kind: !!python/object/apply:os.system ['touch escaped']\n",
    "python name": "kind: !!python/name:os.system\n",
    "python module": "kind: !!python/module:antigravity\n",
    "python new": "kind: !!python/object/new:type [a, [], {}]\n",
    "unknown tag": "kind: !secret abc\n",
    "tag of an unknown handle": "kind: !e!secret abc\n",
    "directive": "%YAML 9.9\n---\nkind: sweep\n",
    "directive twice": "%YAML 1.1\n%YAML 1.1\n---\nkind: sweep\n",
    "unknown directive": "%SECRET a\n---\nkind: sweep\n",
    "alias of nothing": "kind: *nothing\n",
    "anchor in itself": "kind: &a [*a]\n",
    "mapping in itself": "&a {kind: *a}\n",
    "merge of itself": "&a\n<<: *a\nkind: sweep\n",
    "merge of a number": "<<: 3\nkind: sweep\n",
    "laughs": laughs(9, 9),
    "many laughs": laughs(30, 20),
    "deep lists": "kind: " + "[" * 3_000 + "]" * 3_000 + "\n",
    "very deep lists": "kind: " + "[" * 100_000 + "\n",
    "deep mappings": "".join(f"{' ' * depth}a:\n" for depth in range(900)),
    "deep flow mappings": "kind: " + "{a: " * 3_000 + "}" * 3_000 + "\n",
    "long integer": "kind: " + "9" * 10_000 + "\n",
    "long hexadecimal": "kind: 0x" + "f" * 10_000 + "\n",
    "long binary number": "kind: 0b" + "1" * 30_000 + "\n",
    "long exponent": "kind: 1e" + "9" * 5_000 + "\n",
    "long line": "kind: " + "x" * 3_000_000 + "\n",
    "long key": "k" * 100_000 + ": 1\n",
    "many keys": "".join(f"k{number}: {number}\n" for number in range(20_000)),
    "null key": "~: 1\nkind: sweep\n",
    "list as key": "? [a, b]\n: 1\n",
    "mapping as key": "? {a: b}\n: 1\n",
    "number and text key": "1: a\n'1': b\n",
    "zero byte": b"kind: sw\x00eep\n",
    "control bytes": b"kind: \x01\x02\x1b[31m\n",
    "not utf-8": b"kind: \xff\xfe\xfd\n",
    "utf-16": "kind: sweep\n".encode("utf-16"),
    "utf-16 without a mark": "kind: sweep\n".encode("utf-16-be"),
    "byte order mark": b"\xef\xbb\xbf\xef\xbb\xbfkind: nothing\n",
    "latin-1": "kind: café\n".encode("latin-1"),
    "surrogate": b"kind: \xed\xa0\x80\n",
    "escape in a key": '"\\e[31mred\\e[0m": 1\nkind: sweep\nschema_version: 1\n',
    "escape in the kind": 'kind: "\\e]0;title\\a"\n',
    "carriage returns": b"kind: sweep\rkind: sut\r",
    "version as text": "kind: KIND\nschema_version: '1'\n",
    "version true": "kind: KIND\nschema_version: true\n",
    "version 1.0": "kind: KIND\nschema_version: 1.0\n",
    "version 2": "kind: KIND\nschema_version: 2\n",
    "version 10000 digits": "kind: KIND\nschema_version: " + "1" * 10_000 + "\n",
    "version a list": "kind: KIND\nschema_version: [1]\n",
    "extends itself": "kind: KIND\nschema_version: 1\nextends: THIS\n",
    "extends a list": "kind: KIND\nschema_version: 1\nextends: [a]\n",
    "extends nothing": "kind: KIND\nschema_version: 1\nextends: nowhere.yaml\n",
    "extends a folder": "kind: KIND\nschema_version: 1\nextends: /\n",
    "extends a device": "kind: KIND\nschema_version: 1\nextends: /dev/zero\n",
    "extends a null byte": 'kind: KIND\nschema_version: 1\nextends: "a\\0b.yaml"\n',
}

# Values that no key of any file takes in place of its own.
VALUES: dict[str, str] = {
    "null": "null",
    "empty text": "''",
    "empty list": "[]",
    "nested list": "[[[[1]]]]",
    "empty mapping": "{}",
    "mapping": "{a: {b: c}}",
    "true": "true",
    "minus one": "-1",
    "zero": "0",
    "infinite": ".inf",
    "not a number": ".nan",
    "overflow": "1e999",
    "huge": "9" * 5_000,
    "binary": "!!binary aGVsbG8=",
    "set": "!!set {a}",
    "escape": '"\\e[2J\\e]0;x\\a"',
    "zero byte": '"a\\0b"',
    "lone surrogate": '"\\ud800"',
    "right to left": '"\\u202egnp.exe"',
    "long text": "x" * 200_000,
    "path up": "../../../../../../etc/passwd",
    "range": "1:1000000000:1",
    "date": "2001-01-01",
    "newline": '"a\\nb\\r\\nc"',
}

# A sweep's keys beyond any sense: refused before anything is measured.
SWEEP_VALUES: dict[str, str] = {
    "batch 1e9": "deployment: {batch_size: [1000000000]}",
    "batch 2^63": "deployment: {batch_size: [9223372036854775808]}",
    "batch range": "deployment: {batch_size: ['1:1000000000:1']}",
    "batch range backwards": "deployment: {batch_size: ['9:1:1']}",
    "batch range of nothing": "deployment: {batch_size: ['::']}",
    "batch range of superscripts": "deployment: {batch_size: ['²:³:¹']}",
    "batch range of many digits": f"deployment: {{batch_size: ['1:{'9' * 5_000}:x2']}}",
    "threads 1e6": "deployment: {threads: [1000000]}",
    "streams 1e6": "deployment: {streams: [1000000]}",
    "many axes": "deployment: {batch_size: ['1:100000:1'], threads: ['1:100:1'], streams: ['1:100:1']}",
    "repeats": "repeats: 1000000000",
    "repeats zero": "repeats: 0",
    "queries 2^64": "settings: {min_query_count: 18446744073709551616}",
    "most queries 2^63": "settings: {max_query_count: 9223372036854775808}",
    "samples 2^64": "settings: {performance_sample_count: 18446744073709551616}",
    "latency 1e-300": "settings: {target_latency_ms: 1.0e-300}",
    "latency 1e300": "settings: {target_latency_ms: 1.0e+300}",
    "rate 1e300": "settings: {target_qps: 1.0e+300}",
    "duration 1e300": "settings: {min_duration_s: 1.0e+300}",
    "duration 1e-300": "settings: {min_duration_s: 1.0e-300}",
    "time limit 1e-300": "settings: {time_limit_s: 1.0e-300}",
    "time limit 1e300": "settings: {time_limit_s: 1.0e+300}",
    "percentile 1": "settings: {target_latency_percentile: 1.0}",
    "feed threads 1e6": "settings: {end_to_end: true, feed_threads: 1000000}",
    "scenario of a list": "scenarios: [[Offline]]",
    "scenario none": "scenarios: []",
    "name up": "name: ../../escape",
    "name absolute": "name: /tmp/escape-of-a-sweep",
    "name empty": "name: ''",
    "name a dot": "name: .",
    "name dots": "name: ..",
    "name with a zero byte": 'name: "a\\0b"',
    "name with escapes": 'name: "\\e[31mred"',
    "name with a newline": 'name: "a\\nb"',
    "name of 5000 letters": f"name: {'n' * 5_000}",
    "mode unknown": "deployment: {operating_mode: [turbo]}",
    "system of a glob": "suts: ['***[']",
    "system up": "suts: [../../../etc/passwd]",
    "system a folder": "suts: [.]",
    "system of a zero byte": 'suts: ["a\\0.yaml"]',
    "system of 5000 letters": f"suts: [{'s' * 5_000}.yaml]",
    "workload of a zero byte": 'workloads: ["a\\0.yaml"]',
    "exclude everything": "exclude: [{sut: '*'}]",
    "exclude of a bad glob": "exclude: [{sut: '[['}, {workload: '*'}]",
}

# A system's keys; each SUT file is refused.
SUT_VALUES: dict[str, str] = {
    "enter with a zero byte": 'operating_modes: {default: {enter: ["a\\0b"]}}',
    "enter nowhere": "operating_modes: {default: {enter: [/nowhere/command]}}",
    "enter an empty word": "operating_modes: {default: {enter: ['']}}",
    "enter a folder": "operating_modes: {default: {enter: [/]}}",
    "enter a text": "operating_modes: {default: {enter: 'true'}}",
    "adapter a folder": "adapter: .py:A",
    "adapter a device": "adapter: /dev/zero.py:A",
    "adapter with a zero byte": 'adapter: "a\\0.py:A"',
    "adapter without a class": "adapter: 'nowhere.py:'",
    "adapter of 5000 letters": f"adapter: {'a' * 5_000}.py:A",
    "adapter none": "adapter: none",
    "negative peak": "platform: {family: t, source: t, peaks_tops: {fp32: -1.0}}",
    "infinite bandwidth": "platform: {family: t, source: t, memory_bandwidth_gb_s: .inf}",
    "cores zero": "platform: {family: t, source: t, cores: 0}",
    "latency infinite": "options: {latency_us: .inf}",
    "latency 1e300": "options: {latency_us: 1.0e+300}",
    "tune nothing": "deployment: {tune: {batch_size: []}}",
    "name with escapes": 'name: "\\e[31mred"',
    "name with a zero byte": 'name: "a\\0b"',
    "name empty": "name: ''",
}

# A workload's keys; each file is refused by `run`.
WORKLOAD_VALUES: dict[str, str] = {
    "dataset a folder up": "dataset: {name: imagenet, directory: ../../../../../../etc}",
    "dataset of a zero byte": 'dataset: {name: mnist, directory: "a\\0b"}',
    "dataset unknown": "dataset: {name: digitz}",
    "count 1e12": "dataset: {name: synthetic, count: 1000000000000}",
    "count zero": "dataset: {name: synthetic, count: 0}",
    "seed negative": "dataset: {name: synthetic, count: 8, seed: -1}",
    "seed 2^64": "dataset: {name: synthetic, count: 8, seed: 18446744073709551616}",
    "offset 2^63": (
        "model: {file: MODEL, input: {name: image, dtype: float32, shape: [batch, 1, 8, 8]},"
        " output: {name: scores, kind: scores, label_offset: 9223372036854775808}}"
    ),
    "shape 1e9": (
        "model: {input: {name: i, dtype: float32, shape: [batch, 1000000000, 1000000000]},"
        " output: {name: o, kind: tensor}}"
    ),
    "shape empty": "model: {input: {name: i, dtype: float32, shape: []}, output: {name: o, kind: tensor}}",
    "shape negative": (
        "model: {input: {name: i, dtype: float32, shape: [-1]}, output: {name: o, kind: tensor}}"
    ),
    "dtype object": (
        "model: {input: {name: i, dtype: object, shape: [batch]}, output: {name: o, kind: tensor}}"
    ),
    "dtype text": "model: {input: {name: i, dtype: U9, shape: [batch]}, output: {name: o, kind: tensor}}",
    "topology up": (
        "model: {topology: {name: ../../x}, input: {name: i, dtype: float32, shape: [batch, 3, 8, 8]},"
        " output: {name: o, kind: tensor}}"
    ),
    "model a folder": (
        "model: {file: ., input: {name: image, dtype: float32, shape: [batch, 1, 8, 8]},"
        " output: {name: scores, kind: scores}}"
    ),
    "model a device": (
        "model: {file: /dev/zero, input: {name: image, dtype: float32, shape: [batch, 1, 8, 8]},"
        " output: {name: scores, kind: scores}}"
    ),
    "model of a zero byte": (
        'model: {file: "a\\0.onnx", input: {name: image, dtype: float32, shape: [batch, 1, 8, 8]},'
        " output: {name: scores, kind: scores}}"
    ),
    "checksum of escapes": (
        'model: {file: MODEL, sha256: "\\e[31m",'
        " input: {name: image, dtype: float32, shape: [batch, 1, 8, 8]},"
        " output: {name: scores, kind: scores}}"
    ),
    "sparsity 101": "variant: {sparsity_percent: 101.0}",
    "name up": "name: ../../escape\ndataset: {name: digitz}",
}

# Harmless where they are read: refused, or accepted as they are.
TOLERATED = {
    ("sweep", "time limit 1e-300"),
    ("sweep", "time limit 1e300"),
    ("sweep", "duration 1e-300"),
    ("sweep", "name with escapes"),
    ("sweep", "name with a newline"),
    ("sweep", "name of 5000 letters"),
    ("sut", "latency 1e300"),
    ("sut", "name with escapes"),
    ("sut", "name with a zero byte"),
    ("workload", "seed 2^64"),
}
