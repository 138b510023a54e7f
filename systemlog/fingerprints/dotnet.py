"""Stack traces of .NET."""

from __future__ import annotations

import re

from systemlog.fingerprints.traces import Frame, Trace, places_of

INNER = re.compile(r"(?:^| )---> (?:\(Inner Exception #[0-9]+\) )?")
END_OF_INNER = "--- End of inner exception stack trace ---"

_frame = re.compile(r"\s+(?:at|bei|à|en|in|в) (?P<method>[^\s(]+)\s?\([^)]*\)(?: .*)?")
_foreign = re.compile(
    r"(?:System|Microsoft|Npgsql|Newtonsoft|Dapper|Serilog|NLog|Autofac|AutoMapper|MediatR|MassTransit|Polly|Quartz"
    r"|Hangfire|Grpc|StackExchange|RabbitMQ|Amazon|Azure|Google|Xunit|NUnit|Swashbuckle|MySql|MySqlConnector|MongoDB"
    r"|OpenTelemetry|Castle|FluentValidation|lambda_method)\b"
)
_type = re.compile(r"(?:Unhandled exception\. )?(?P<type>[A-Za-z_][\w.+`]*)(?: \(0x[0-9A-Fa-f]+\))?(?=:|$)")
_compiled = (
    (re.compile(r"<>c(?:__DisplayClass[0-9_]+)?\."), ""),
    (re.compile(r"<(\w*)>[bdg]__[\w|]+(?:\.MoveNext)?"), r"\1"),
    (re.compile(r"`[0-9]+(?:\[.*?\])?|\[.*?\]"), ""),
)
"""Names that the compiler generates for lambdas, asynchronous methods and type arguments, and their replacements."""


def is_frame(line: str) -> bool:
    """Whether the line is a call in a stack trace of .NET."""
    return _frame.fullmatch(line) is not None


def parse(text: str) -> Trace:
    """Return the innermost exception of the chain. Its calls come first in the text."""
    lines = text.split("\n")
    number = next((at for at, line in enumerate(lines) if is_frame(line)), len(lines))
    head = INNER.split("\n".join(lines[:number]))[-1].strip()
    match = _type.match(head)
    frames = []
    for line in lines[number:]:
        if END_OF_INNER in line:
            break
        if found := _frame.fullmatch(line):
            method = found["method"]
            for pattern, replacement in _compiled:
                method = pattern.sub(replacement, method)
            frames.append(Frame(method, not _foreign.match(method)))
    value = head[match.end() :].removeprefix(": ") if match else head
    return Trace(match["type"] if match else "", places_of(frames), value)
