"""Figure 10: what a probe costs that a program declared by usdt/udst.h, traced and not."""

import re

from measure import Ready, Row, Tracer, median


def traced(bench, seconds):
    loop = Ready(bench, seconds, "udst")
    with Tracer([bench.awl, "-p", str(loop.pid), "-e", "usdt:bench:turn { @ = count(); }"]) as tracer:
        result = loop.go()
    seen = re.search(r"^@: (\d+)", tracer.out, re.M)
    return result["median_ns"], bool(seen) and int(seen.group(1)) == result["calls"]


def dynamic(bench, seconds=0.25):
    armed, unarmed, exact = [], [], True
    for _ in range(bench.rounds):
        base = Ready(bench, seconds, "none").go()["median_ns"]
        unarmed.append(Ready(bench, seconds, "udst").go()["median_ns"] - base)
        ns, good = traced(bench, seconds)
        armed.append(ns - base)
        exact &= good
    yield Row(10, "declared probe, nobody traces it", "ns", median(unarmed), "", None, "<= 2 ns", lambda a, p: a <= 2)
    yield Row(10, "declared probe, count()", "ns", median(armed), "", None, "<= 500 ns", lambda a, p: a <= 500,
              "" if exact else "the count is not that of the calls")
