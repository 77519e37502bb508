"""Responses and references that somebody wrote to break a reward."""

from typing import Any

DEEP = 50_000

RESPONSES: dict[str, str] = {
    "nothing": "",
    "white space": " \n\t\r\u2028\u00a0" * 1_000,
    "100 KB of minus signs": "-" * 100_000,
    "100 KB of letters": "a" * 100_000,
    "100 KB of words": "word " * 20_000,
    "100 KB of noise": "".join(chr(33 + index * 7919 % 90) for index in range(100_000)),
    "100 KB of lines": "\n" * 100_000,
    "a tower of powers": r"\boxed{9^{9^{9^{9^{9^9}}}}}",
    "a plain tower": "#### 9**9**9**9",
    "factorials": r"\boxed{9!!!!!!!!!}",
    "a factorial": "The answer is 100000000!",
    "a huge exponent": r"\boxed{10^{1000000000}}",
    "a float beyond floats": "#### 1e999999999",
    "digits without end": "#### " + "9" * 100_000,
    "a sum without end": r"\boxed{\sum_{i=1}^{10^{12}} i!}",
    "nested braces": r"\boxed{" + "{" * DEEP + "}" * DEEP + "}",
    "nested boxes": r"\boxed{" * 10_000 + "}" * 10_000,
    "boxes never closed": r"\boxed{" * 10_000,
    "nested fractions": "\\boxed{" + r"\frac{1}{" * 2_000 + "2" + "}" * 2_001,
    "nested brackets": "#### " + "(" * 10_000 + "1" + ")" * 10_000,
    "tags never closed": "<answer>" * 10_000,
    "thinking never ended": "<think>" * 10_000,
    "tool calls never closed": "<tool_call>" * 10_000,
    "fences never closed": "```json\n" * 10_000,
    "many answers": "\n".join(f"#### {index}" for index in range(5_000)),
    "phrases": "The answer is " * 7_000,
    "backtracking bait": "a" * 40 + "!" + " a" * 20_000,
    "hedges": "#### 1\n" + "or maybe " * 10_000,
    "NaN": "#### NaN",
    "infinity": r"\boxed{-\infty}",
    "a lone surrogate": "#### \ud800",
    "null characters": "\x00" * 1_000 + "#### 4\x00",
    "combining characters": "a" + "\u0301" * 50_000,
    "right to left": "\u202e#### 24\u202c",
    "large JSON": "[" + ",".join(['{"a": [1, 2, 3]}'] * 6_000) + "]",
    "deep JSON": "[" * DEEP + "]" * DEEP,
    "a deep object": '{"a":' * DEEP + "1" + "}" * DEEP,
    "JSON numbers": '{"a": ' + "9" * 5_000 + ', "b": 1e400, "c": NaN}',
    "Python": "#### __import__('os').system('touch /tmp/pwned')",
    "Python in braces": "{__import__('os').system('touch /tmp/pwned')} {0.__class__.__mro__}",
    "Python in a call": '<tool_call>{"name": "__import__", "arguments": {"name": "os"}}</tool_call>',
    "a template": "{{ cycler.__init__.__globals__.os.popen('id').read() }} ${7*7} <%= 7 %>",
    "a pickle": "cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
    "a path": "#### /tmp/link-to-passwd",
    "an address": "#### http://127.0.0.1:9/x",
    "LaTeX that reads files": r"\boxed{\input{/etc/passwd}}",
    "LaTeX macros": r"\def\a{\a\a}\boxed{\a}",
}


def schemas(address: str, path: str) -> dict[str, Any]:
    """JSON Schemas that refer to a server and to a file, in every way that drafts know, and larger traps."""
    targets = {"http": f"http://{address}/schema.json", "file": f"file://{path}", "path": path}
    found: dict[str, Any] = {}
    for name, target in targets.items():
        found[f"$ref to {name}"] = {"$ref": target}
        found[f"$ref to {name} with fragment"] = {"$ref": f"{target}#/definitions/a"}
        found[f"$dynamicRef to {name}"] = {"$dynamicRef": target}
        found[f"$recursiveRef to {name}"] = {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$recursiveRef": target,
        }
        found[f"$schema at {name}"] = {"$schema": target}
        found[f"$id at {name}"] = {"$id": target, "$ref": "other.json"}
        found[f"nested $ref to {name}"] = {"properties": {"a": {"allOf": [{"$ref": target}]}}}
        found[f"draft 4 id at {name}"] = {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "id": target,
            "items": {"$ref": "x.json"},
        }
    found["a reference to itself"] = {"$ref": "#"}
    found["two that refer to each other"] = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    }
    found["endless growth"] = {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}] * 2}}, "$ref": "#/$defs/a"}
    found["a backtracking pattern"] = {"pattern": "(a+)+$"}
    found["a large pattern"] = {"pattern": "(a{1,500}){1,500}"}
    return found


REFERENCES: dict[str, Any] = {
    "backtracking": "(a+)+$",
    "nested": "(" * 500 + ")" * 500,
    "a deep list": "[" * DEEP,
    "a tower": "9^{9^{9^9}}",
    "Python": "__import__('os').system('touch /tmp/pwned')",
    "a lone surrogate": "\ud800",
    "an object": {"answer": {"answer": {}}},
    "long": "x" * 100_000,
}
