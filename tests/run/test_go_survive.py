"""Go programs under goret for as long as is wanted: what kills them under return probes of the kernel, all at once.

AWL_SURVIVE=10m runs it for ten minutes; without, each of the workers does everything a few times."""
import os
import re
import statistics

from go_program import build_target, needs_go

AMOUNT = os.environ.get("AWL_SURVIVE", "8")
PACKAGES = ("main", "fmt", "net/http")

pytestmark = needs_go


def per_function(r, name):
    return {func: int(n) for func, n in re.findall(rf"^@{name}\[\w+:[^:]+:(.+)\]: (\d+)$", r.out, re.M)}


def total(r, text):
    found = re.findall(text, r.err)
    return int(found[0]) if found else 0


def with_returns(awl, program):
    """Functions whose returns are probed: others never return, and count as no calls of goret."""
    found, func = set(), None
    for package in PACKAGES:
        for line in awl("golist", program, f"{package}.*", timeout=120).lines:
            if m := re.match(r'go:[^:]+:"(.*)"$', line):
                func = m[1]
            elif re.match(r" +returns at", line):
                found.add(func)
    return found


def test_a_program_survives_and_every_call_is_accounted_for(awl, tmp_path):
    """entries = returns + unwound, of all functions together; those of the ten ways each as the program counts them."""
    program = build_target(tmp_path, "survive")
    of = lambda probe: ", ".join(f'{probe}:{program}:"{package}.*"' for package in PACKAGES)
    script = f"""config = {{ max_map_keys = 20000 }}
        {of("go")} {{ @calls[probe] = count(); }}
        {of("goret")} {{ @rets[probe] = count(); }}"""
    seconds = 900 if AMOUNT[-1].isalpha() else 300
    r = awl("-e", script, "-c", f"{program} {AMOUNT}", timeout=seconds)
    assert r.code == 0 and "done 1" in r.lines and "wrong " not in r.out, r.err + r.out[-3000:]
    calls, rets = per_function(r, "calls"), per_function(r, "rets")
    want = {name: (int(n), int(back)) for name, n, back in re.findall(r"^count (\w+) (\d+) (\d+)$", r.out, re.M)}
    want["panicUp"] = tuple(2 * n for n in want["panicUp"])  # as often by panicInside, with the same numbers
    assert len(want) == 10 and {name: (calls[f"main.{name}"], rets[f"main.{name}"]) for name in want} == want, r.err
    assert all(any(func.startswith(package) for func in rets) for package in PACKAGES), rets
    entered = sum(calls[func] for func in calls.keys() & with_returns(awl, program))
    unwound = total(r, r"(\d+) calls? did not return")
    print(f"\n{entered} entries = {sum(rets.values())} returns + {unwound} unwound, of {len(calls)} functions")
    assert (entered, total(r, r"Left out (\d+) return")) == (sum(rets.values()) + unwound, 0), r.err
    assert unwound > want["exits"][0] // 2 and not re.search(r"Lost|Missed", r.err), r.err


def test_times_of_goroutines_that_change_threads(awl, tmp_path):
    """By the number of the call: what awl measures against what the program itself has. No time as such is asserted."""
    program = build_target(tmp_path, "timers")
    r = awl("-q", "-e", f'goret:{program}:"main.timed" {{ printf("awl %d %lu %d\\n", args.id, elapsed, retval); }}',
            "-c", f"{program} 600", timeout=200)
    assert r.code == 0, r
    own = {int(i): (int(ns), int(moved)) for i, ns, moved in re.findall(r"^timer (\d+) (\d+) (\d)$", r.out, re.M)}
    seen = {int(i): (int(ns), int(moved)) for i, ns, moved in re.findall(r"^awl (\d+) (\d+) (\d)$", r.out, re.M)}
    assert len(own) == 600 and own.keys() == seen.keys() and all(own[i][1] == seen[i][1] for i in own), r.err
    moved = [i for i in own if own[i][1]]
    assert len(moved) >= 0.8 * len(own), len(moved)
    off = statistics.median(abs(seen[i][0] / own[i][0] - 1) for i in own)
    print(f"\nmedian difference {off:.2%}, {len(moved)} of {len(own)} calls changed threads")
    assert off < 0.05, off
