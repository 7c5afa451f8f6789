"""Figure 18: what a user stack adds to an event, by frame pointers and by tables (dw_ustack)."""

import re

from measure import Paused, Row, Tracer, loop_command, median

DEPTHS = (8, 24)
STACKS = {"fp": ("config = { ustack_unwind = fp } ", "ustack"), "tables": ("", "dw_ustack")}


def script(bench, how, frames):
    """Each event has a key of so many addresses; `count` has none, and is what the others are compared with."""
    place = f"uprobe:{bench.tool('loop')}:loop_nop5"
    if how == "count":
        return f"{place} {{ @[comm] = count(); }}"
    config, stack = STACKS[how]
    return f"{config}{place} {{ @[{stack}(raw, {frames})] = count(); }}"


def frames_in(out):
    """Of the longest stack that was printed."""
    return max([len(re.findall(r"0x|^\s+[0-9a-f]+$", key, re.M)) for key in out.split("]: ")] or [0])


def traced(bench, how, depth, seconds):
    """Nanoseconds of a turn, and how many frames there were; None where the loop was not traced."""
    loop = Paused(loop_command(bench, ["-t", str(seconds)], f"deep{depth}"))
    with Tracer([bench.awl, "-e", script(bench, how, depth)]) as tracer:
        ns = loop.go()["median_ns"]
    return (ns, frames_in(tracer.out)) if tracer.ok else (None, 0)


def stacks(bench, seconds=0.25):
    for depth in DEPTHS:
        yield one_depth(bench, depth, seconds)


def one_depth(bench, depth, seconds):
    ns, seen = {"count": [], "fp": [], "tables": []}, {}
    for turn in range(bench.rounds):
        names = list(ns)
        for how in names[turn % 3:] + names[:turn % 3]:
            got, seen[how] = traced(bench, how, depth, seconds)
            ns[how].append(got)
    count, fp, tables = (median(ns[how]) for how in ("count", "fp", "tables"))
    if None in (count, fp, tables):
        return Row(18, f"dw_ustack, {depth} frames", "ns", None, "", None, "-", note="awl did not attach")
    note = f"{(tables - count) / depth:.0f} ns a frame, by frame pointers {(fp - count) / depth:.0f}"
    if seen["fp"] != depth or seen["tables"] != depth:
        note += f"; stacks of {seen['fp']} and {seen['tables']} frames"
    return Row(18, f"dw_ustack, {depth} frames", "ns", tables - count, "ustack", fp - count, "-", note=note)
