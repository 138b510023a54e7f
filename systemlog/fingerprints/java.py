"""Stack traces of Java, Kotlin, Scala and other languages of the Java virtual machine."""

from __future__ import annotations

import re

from systemlog.fingerprints.traces import Frame, Trace, places_of

CAUSED_BY = "Caused by: "
WRAPPED_BY = "Wrapped by: "

_frame = re.compile(
    r"\s+at (?:[\w.@-]*/{1,2}){0,2}(?P<method>[\w.$<>-]+)"
    r"\((?:[\w$.-]+\.(?:java|kt|kts|scala|groovy|clj)(?::[0-9]+)?|Native Method|Unknown Source(?::[0-9]+)?"
    r"|SourceFile:[0-9]+|<generated>(?::[0-9]+)?)\)(?:\s*~?\[.*\])?"
)
_foreign = re.compile(
    r"(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|clojure|akka|reactor|rx|feign|okhttp3|retrofit2"
    r"|android|androidx|dalvik|com\.android|com\.fasterxml|com\.google|com\.zaxxer|com\.mysql|com\.intellij|ch\.qos"
    r"|io\.netty|io\.micrometer|io\.undertow|io\.reactivex|io\.opentelemetry|io\.grpc|io\.vertx|io\.quarkus|oracle"
    r"|org\.(?:springframework|apache|hibernate|eclipse|junit|jboss|postgresql|slf4j|codehaus|mockito|gradle|aspectj"
    r"|mariadb|mongodb|elasticsearch|redisson|quartz|yaml|json|xerial|h2|wildfly|glassfish|graalvm|jetbrains))\."
)
_type = re.compile(r"(?:Exception in thread \"[^\"]*\" )?(?P<type>[\w$]+(?:[.$][\w$]+)*)(?=:|$)")
_generated = (
    (re.compile(r"\$\$Lambda.*"), "$$Lambda"),
    (re.compile(r"lambda\$(\w+)\$[0-9]+"), r"lambda$\1"),
    (re.compile(r"\$\$(?:Enhancer|FastClass|SpringCGLIB).*?(?=\.|$)"), ""),
    (re.compile(r"[0-9]+(?=\.|$)"), ""),
)
"""Names that the compiler or a proxy generates for classes and methods, and their replacements."""


def is_frame(line: str) -> bool:
    """Whether the line is a call in a stack trace of Java."""
    return _frame.fullmatch(line) is not None


def parse(text: str) -> Trace:
    """Return the root cause: the last exception of the chain."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(CAUSED_BY)]
    block = lines[starts[-1] :] if starts else lines
    first = block[0].removeprefix(CAUSED_BY)
    match = _type.match(first)
    frames = []
    depth: int | None = None
    for line in block[1:]:
        indent = len(line) - len(line.lstrip())
        if found := _frame.fullmatch(line):
            depth = indent if depth is None else depth
            if indent == depth:  # a frame with a deeper indent belongs to a suppressed exception
                method = _without_numbers(found["method"])
                frames.append(Frame(method, not _foreign.match(method)))
    value = first[match.end() :].removeprefix(": ") if match else first
    return Trace(match["type"] if match else "", places_of(frames), value)


def _without_numbers(method: str) -> str:
    """Return a method without the numbers that the compiler or a proxy put into its class name."""
    for pattern, replacement in _generated:
        method = pattern.sub(replacement, method)
    return method
