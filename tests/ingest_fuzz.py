"""Send broken bodies in every protocol to a running server: `python -m tests.ingest_fuzz [--bodies 20000] [--seed 1]`.

Each body is a valid one with random changes, sometimes compressed by gzip. Every answer must have an expected status
and come within `SLOW_S`. At the end the server must accept good records and must hold at most `GROWTH_BYTES` more
memory than after the first 500 bodies. The exit code is 1 if anything else happens.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import cramjam
import httpx

from tests.support.databases import ENVIRONMENT
from tests.support.servers import Server, fresh_platform

SLOW_S = 5.0
GROWTH_BYTES = 200 * 2**20
STATUSES = {200, 201, 202, 204, 400, 413, 415}

OTLP = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "n", "version": "1"},
                    "logRecords": [
                        {
                            "timeUnixNano": "1700000000000000000",
                            "severityNumber": 9,
                            "body": {
                                "kvlistValue": {"values": [{"key": "k", "value": {"arrayValue": {"values": []}}}]}
                            },
                            "attributes": [{"key": "a", "value": {"doubleValue": "NaN"}}],
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                        }
                    ],
                }
            ],
        }
    ]
}
PROTOBUF = bytes.fromhex(
    "0a5d0a170a150a0c736572766963652e6e616d6512050a0373686f70"
    "12420a0b0a0762696c6c696e67120012330900c0f5cd5ad2971710112a0d0a0b636861726765206661696c"
    "32100a056f7264657212071807000000000000"
)
LOKI = json.dumps(
    {"streams": [{"stream": {"app": "a"}, "values": [["1700000000000000000", "line", {"m": "1"}]]}]}
).encode()
LOKI_PROTOBUF = bytes.fromhex("0a1d0a097b613d2262227d20120e0a0608e49ee3aa0612046c696e65")
ELASTIC = (
    b'{"index":{"_index":"a","_id":"1"}}\n{"@timestamp":"2024-01-01T00:00:00Z","message":"m","log":{"level":"warn"}}\n'
    b'{"delete":{"_id":"1"}}\n{"create":{}}\n{"n":1e400,"deep":[[[[1]]]]}\n'
)
JOURNAL = (
    b"__CURSOR=c\n__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=m\nPRIORITY=4\nTAG=a\nTAG=b\n\n"
    b"__CURSOR=d\nMESSAGE\n\x05\0\0\0\0\0\0\0a\nb\0c\n_HOSTNAME=h\n\n"
)

TARGETS = [
    ("/v1/logs", "application/json", json.dumps(OTLP).encode()),
    ("/v1/logs", "application/x-protobuf", PROTOBUF),
    ("/elastic/a/_bulk", "application/x-ndjson", ELASTIC),
    ("/elastic/a/_doc", "application/json", b'{"message":"m","@timestamp":1700000000000}'),
    ("/loki/api/v1/push", "application/json", LOKI),
    ("/loki/api/v1/push", "application/x-protobuf", LOKI_PROTOBUF),
    ("/journald/upload", "application/vnd.fdo.journal", JOURNAL),
    ("/system/logs/", "application/x-ndjson", b'{"message":"m","context":{"a":[1,"\\ud800"]}}\n'),
]
TOKENS = (b"{", b"}", b"[", b"]", b'"', b"\\", b"\n", b"\0", b"\xff", b"\\ud800", b"1e999", b"NaN", b"=", b"9" * 30)


def broken(body: bytes, dice: random.Random) -> bytes:
    """Return the body after a few random changes."""
    data = bytearray(body)
    for _ in range(dice.randint(0, 6)):
        at = dice.randint(0, len(data))
        match dice.randint(0, 6):
            case 0:
                del data[at:]
            case 1:
                data[at:at] = dice.randbytes(dice.randint(1, 12))
            case 2:
                data[at:at] = dice.choice(TOKENS) * dice.choice((1, 1, 2, 50, 2000))
            case 3:
                del data[at : at + dice.randint(1, 20)]
            case 4 if at < len(data):
                data[at] ^= 1 << dice.randint(0, 7)
            case 5:
                data += body * dice.choice((1, 2, 30))
            case _:
                start = dice.randint(0, len(body))
                data[at:at] = body[start : start + dice.randint(1, 40)]
    return bytes(data)


def memory_of(server: Server) -> int:
    """Return the bytes of memory that the server and its workers hold."""
    pids = [server.process.pid]
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    pids += map(int, children.read_text().split())
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in pids)


def main() -> int:
    """Send the bodies. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as state, fresh_platform(Path(state), None) as platform:
        platform.environment.update(ENVIRONMENT)
        platform.environment.pop("SYSTEMLOG_JOURNAL")
        platform.tokens.update(platform.migrate())
        with platform.serve() as server, server.client(platform.token("write")) as client:
            slowest = 0.0
            before = 0
            for number in range(options.bodies):
                path, kind, good = dice.choice(TARGETS)
                body = broken(good, dice)
                headers = {"Content-Type": kind}
                if path.startswith("/loki") and kind.endswith("protobuf") and dice.random() < 0.7:
                    body = bytes(cramjam.snappy.compress_raw(body))
                elif dice.random() < 0.2:
                    body = gzip.compress(body)[: dice.choice((None, None, -5))]
                    headers["Content-Encoding"] = "gzip"
                began = time.monotonic()
                try:
                    answer = client.post(path, content=body, headers=headers)
                except httpx.HTTPError as error:
                    wrong += 1
                    print(f"{number}: {path} {kind}: {error!r}: {body[:200]!r}")
                    continue
                taken = time.monotonic() - began
                slowest = max(slowest, taken)
                if answer.status_code not in STATUSES or taken > SLOW_S:
                    wrong += 1
                    print(f"{number}: {path} {kind}: {answer.status_code} in {taken:.1f} s: {body[:200]!r}")
                if number == min(500, options.bodies // 2):
                    before = memory_of(server)
            grown = memory_of(server) - before
            alive = client.post("/v1/logs", json=OTLP).status_code == 200
    print(f"{options.bodies} bodies, {wrong} wrong answers, the slowest in {slowest:.2f} s, +{grown / 2**20:.0f} MiB")
    return 1 if wrong or not alive or grown > GROWTH_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
