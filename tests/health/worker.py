"""A process that counts: what the tests of shared metrics start several of. It takes one command a line."""

from __future__ import annotations

import json
import os
import sys
import time

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import generate_latest

from health.metrics.collectors import Families
from health.metrics.families import families
from health.metrics.multiprocess import install
from health.metrics.rate import recent, requests_last_minute

install()

counter = Counter("work", "Work done.")
labelled = Counter("series", "Many series.", ["number"])
gauges = {
    mode: Gauge(f"gauge_{mode}", "A gauge.", multiprocess_mode=mode)
    for mode in ("livesum", "max", "min", "livemostrecent", "all", "liveall")
}
histogram = Histogram("duration", "Durations.", buckets=(1, 2))
by_route = Histogram("route_duration", "Durations by route.", ["method", "route"], buckets=(1, 2))


def run(command: str, *arguments: str) -> object:
    match command:
        case "count":
            counter.inc(float(arguments[0]))
        case "set":
            gauges[arguments[0]].set(float(arguments[1]))
        case "observe":
            histogram.observe(float(arguments[0]))
        case "observe_route":
            by_route.labels(*arguments[:2]).observe(float(arguments[2]))
        case "openmetrics":
            return generate_latest(Families(families())).decode()
        case "series":
            for number in range(int(arguments[0])):
                labelled.labels(str(number)).inc()
        case "request":
            recent.count(time.monotonic())
        case "rate":
            return requests_last_minute()
        case "fork":
            if os.fork() == 0:
                counter.inc(float(arguments[0]))
                os._exit(0)
            os.wait()
        case "scrape":
            return [[sample.name, sample.labels, sample.value] for family in families() for sample in family.samples]
    return None


for line in sys.stdin:
    print(json.dumps(run(*line.split())), flush=True)  # noqa: T201  (to the test)
