"""Run real clients against a server, over a connection that loses replies: `python -m tests.ingest_clients [NAME …]`.

The clients of PyPI and npm are installed into a temporary folder. The clients of Debian (systemd-journal-remote,
rsyslog-elasticsearch, syslog-ng-mod-http) must be installed already. A client whose programs are missing is named and
skipped. The exit code is 1 if any record of a client is not stored exactly once.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.support.databases import ENVIRONMENT
from tests.support.lossy import FATES, lossy_line
from tests.support.servers import Platform, fresh_platform

HERE = Path(__file__).parent
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
RECORDS = 2000
PATIENCE_S = 60
UPLOAD = "/lib/systemd/systemd-journal-upload"
REMOTE = "/lib/systemd/systemd-journal-remote"


class Sent(NamedTuple):
    """Where a client sends its records, with which token, from which source, and how many."""

    folder: Path
    url: str
    token: str
    source: str
    count: int

    @property
    def arguments(self) -> tuple[str, str, str, str]:
        """The arguments of the clients' scripts."""
        return self.url, self.token, self.source, str(self.count)


class RealClient(NamedTuple):
    """A client: the function that sends with it, and the programs that this function needs."""

    send: Callable[[Sent], None]
    needs: tuple[str, ...]
    fates: tuple[str, ...] = ()
    """What happens to the client's requests on the way. Empty for a client that does not retry, or sends no ids."""


def of_npm(script: str, *packages: str, **environment: str) -> Callable[[Sent], None]:
    """Return a function that sends with a client for Node.js."""

    def send(sent: Sent) -> None:
        (sent.folder / "package.json").write_text('{"private": true}')
        run(sent.folder, "npm", "install", "--silent", "--no-audit", "--no-fund", *packages)
        shutil.copy(HERE / script, sent.folder)
        run(sent.folder, "env", *(f"{k}={v}" for k, v in environment.items()), "node", script, *sent.arguments)

    return send


def of_pypi(script: str, *packages: str) -> Callable[[Sent], None]:
    """Return a function that sends with a client for Python, in its own virtual environment."""

    def send(sent: Sent) -> None:
        run(sent.folder, sys.executable, "-m", "venv", "venv")
        python = sent.folder / "venv/bin/python"
        run(sent.folder, python, *PIP, *packages)
        shutil.copy(HERE / script, sent.folder / "send.py")
        run(sent.folder, python, "send.py", *sent.arguments)

    return send


def journal_upload(sent: Sent) -> None:
    """Send with systemd-journal-upload, from a journal that systemd-journal-remote makes, until the upload succeeds."""
    began = time.time_ns() // 1000 - 60_000_000
    entries = b"".join(
        f"__CURSOR=s={1:032x};i={n + 1:x};b={2:032x};m={n + 1:x};t={began + n:x};x={n:x}\n"
        f"__REALTIME_TIMESTAMP={began + n}\n__MONOTONIC_TIMESTAMP={n + 1}\n_BOOT_ID={2:032x}\nPRIORITY=4\n"
        f"SYSLOG_IDENTIFIER=billing\n_HOSTNAME={sent.source}\nMESSAGE=charge {n}\nORDER={n}\n\n".encode()
        for n in range(sent.count)
    )
    journal = sent.folder / "x.journal"
    subprocess.run([REMOTE, "-o", str(journal), "-"], input=entries, check=True, capture_output=True)
    host = urlsplit(sent.url).netloc
    command = [UPLOAD, f"--url=http://any:{sent.token}@{host}/journald", f"--save-state={sent.folder / 'state'}"]
    command += [f"--file={journal}", "--follow=no"]
    for _ in range(10):  # as systemd would restart the program
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
    raise AssertionError("It did not get through.")


def rsyslog(sent: Sent) -> None:
    """Send with rsyslog's omelasticsearch, with an id for each record. It does not retry after 503."""
    host, port = urlsplit(sent.url).netloc.split(":")
    lines = sent.folder / "input.log"
    lines.write_text("".join(f"charge {number}\n" for number in range(sent.count)))
    configuration = sent.folder / "rsyslog.conf"
    configuration.write_text(
        (HERE / "rsyslog.conf")
        .read_text()
        .replace("HOST", host)
        .replace("PORT", port)
        .replace("TOKEN", sent.token)
        .replace("SOURCE", sent.source)
        .replace("FOLDER", str(sent.folder))
    )
    while_it_sends(sent, ["rsyslogd", "-n", "-f", str(configuration), "-i", str(sent.folder / "pid")])


def syslog_ng(sent: Sent) -> None:
    """Send with syslog-ng's destination for Elasticsearch, with an id for each record."""
    lines = sent.folder / "input.log"
    lines.write_text("".join(f"charge {number}\n" for number in range(sent.count)))
    configuration = sent.folder / "syslog-ng.conf"
    configuration.write_text(
        (HERE / "syslog-ng.conf")
        .read_text()
        .replace("URL", sent.url)
        .replace("TOKEN", sent.token)
        .replace("SOURCE", sent.source)
        .replace("FOLDER", str(sent.folder))
    )
    folder = str(sent.folder)
    command = ["syslog-ng", "-F", "--no-caps", "-f", str(configuration), f"--persist-file={folder}/persist"]
    while_it_sends(sent, [*command, f"--pidfile={folder}/pid", f"--control={folder}/control"])


def while_it_sends(sent: Sent, command: list[str]) -> None:
    """Run a daemon for 20 seconds. Raises if the daemon exits earlier."""
    with (sent.folder / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            return
        finally:
            daemon.terminate()
            daemon.wait()
    raise AssertionError((sent.folder / "daemon.log").read_text())


OTEL_JS = ("@opentelemetry/sdk-logs", "@opentelemetry/resources", "@opentelemetry/exporter-logs-otlp-http")
NODE = ("node", "npm")
CLIENTS = {
    "elasticsearch-py-8": RealClient(of_pypi("elasticsearch_8.py.txt", "elasticsearch<9"), (), FATES),
    "elastic-js-8": RealClient(of_npm("elastic.js", "@elastic/elasticsearch@8"), NODE, FATES),
    "elastic-js-9": RealClient(of_npm("elastic.js", "@elastic/elasticsearch@9"), NODE, FATES),
    "pino-elasticsearch": RealClient(of_npm("pino_elasticsearch.js", "pino", "pino-elasticsearch"), NODE),
    "winston-elasticsearch": RealClient(of_npm("winston_elasticsearch.js", "winston", "winston-elasticsearch"), NODE),
    "winston-loki-protobuf": RealClient(of_npm("winston_loki.js", "winston", "winston-loki"), NODE, FATES),
    "winston-loki-json": RealClient(of_npm("winston_loki.js", "winston", "winston-loki", AS_JSON="yes"), NODE, FATES),
    "pino-loki": RealClient(of_npm("pino_loki.js", "pino", "pino-loki"), NODE),
    "loki-logger-handler": RealClient(of_pypi("loki_logger_handler.py.txt", "loki-logger-handler", "requests"), ()),
    "opentelemetry-js-json": RealClient(of_npm("opentelemetry.js", *OTEL_JS, AS_JSON="yes"), NODE, FATES),
    "opentelemetry-js-protobuf": RealClient(
        of_npm("opentelemetry.js", *OTEL_JS, "@opentelemetry/exporter-logs-otlp-proto"), NODE, FATES
    ),
    "journal-upload": RealClient(journal_upload, (UPLOAD, REMOTE), FATES),
    "rsyslog": RealClient(rsyslog, ("rsyslogd",), ("ok", "lost", "ok")),
    "syslog-ng": RealClient(syslog_ng, ("syslog-ng",), FATES),
}


def main() -> int:
    """Try the named clients, by default all. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CLIENTS))
    names = parser.parse_args().names or list(CLIENTS)
    failed = 0
    with tempfile.TemporaryDirectory() as state, fresh_platform(Path(state), None) as platform:
        platform.environment.update(ENVIRONMENT)
        platform.environment.pop("SYSTEMLOG_JOURNAL")
        platform.tokens.update(platform.migrate())
        for name in names:
            if missing := [program for program in CLIENTS[name].needs if shutil.which(program) is None]:
                print(f"{name}: left out, for there is no {' and no '.join(missing)} here")
                continue
            try:
                records = try_client(name, platform)
                print(f"{name}: {len(records)} records, each once")
            except (AssertionError, subprocess.SubprocessError) as error:
                failed += 1
                print(f"{name}: FAILED\n{error}\n{getattr(error, 'stdout', '')}{getattr(error, 'stderr', '')}")
    return 1 if failed else 0


def try_client(name: str, platform: Platform) -> list[dict[str, Any]]:
    """Let a client send its records, and return the stored ones. Raises if any is not stored exactly once."""
    client = CLIENTS[name]
    with tempfile.TemporaryDirectory() as folder, platform.serve() as server:
        line = lossy_line(server.url, client.fates) if client.fates else nullcontext(server.url)
        with line as url:
            client.send(Sent(Path(folder), url, platform.token("write"), name, RECORDS))
            with server.client(platform.token("read", "write")) as reader:
                return landed(reader, name)


def landed(reader: httpx.Client, source: str) -> list[dict[str, Any]]:
    """Return the records of a source when all are stored."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lines = reader.get("/system/logs/export/", params={"source": source}).text.splitlines()
        records = [record for record in map(json.loads, lines) if "message" in record]
        if len(records) >= RECORDS:
            break
        assert time.monotonic() < deadline, f"{len(records)} of {RECORDS} landed"
        time.sleep(0.5)
    messages = sorted(map(number_of, records))
    assert messages == list(range(RECORDS)), f"{len(records)} records, some twice"
    assert {record["level"] for record in records} == {"WARNING"}, records[0]
    return records


def number_of(record: dict[str, Any]) -> int:
    """Return the number in a record's message, to which some clients add text."""
    found = re.search(r"charge (\d+)", str(record["message"]))
    assert found, record
    return int(found[1])


def run(folder: Path, *command: object) -> None:
    """Run a command and wait for its end."""
    subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=True, timeout=300)


if __name__ == "__main__":
    sys.exit(main())
