#!/usr/bin/env python3
"""Puts load on an HTTP address or a store's client and prints what came of it as JSON.

Every query is sent once and never repeated, so that the other side's count is ours. A client is a program such
as psql or sqlite3 that runs statements from stdin and ends on an error; --end is what makes it print `load-end`.
"""

import argparse
import json
import sys
import threading
import time

import probes


def work(options, queries, results, take):
    """One worker: the next query until there is none or the time is up."""
    probe = probes.Http(options) if options.url else probes.Client(options)
    while (number := take()) is not None:
        query = queries[number % len(queries)] if queries else None
        begun = time.perf_counter()
        result = {"success": True}
        try:
            probe.ask(query)
        except probes.Failure as failure:
            result = {"success": False, "error": str(failure)}
        results.append({**result, "latency": round(time.perf_counter() - begun, 6)})
    probe.close()


def counter(total, deadline):
    """A function that gives out 0, 1, ... once each, to whichever worker asks."""
    lock, given = threading.Lock(), iter(range(total))

    def take():
        with lock:
            return next(given, None) if time.monotonic() < deadline else None

    return take


def percentile(ordered, share):
    """The smallest value that at least that share of all do not exceed."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else None


def machine():
    """Processor time (busy, all) since the start of the machine, and memory used in percent."""
    with open("/proc/stat") as stat:
        times = [int(word) for word in stat.readline().split()[1:]]
    with open("/proc/meminfo") as lines:
        memory = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    used = 100 - 100 * memory["MemAvailable"] / memory["MemTotal"]
    return sum(times) - times[3] - times[4], sum(times), used


def run_stage(options, queries, concurrency):
    """`total` queries by that many workers: the results, and the time they took."""
    results = []
    take = counter(options.total, time.monotonic() + options.duration)
    workers = [threading.Thread(target=work, args=(options, queries, results, take)) for _ in range(concurrency)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results, time.perf_counter() - begun


def summary(results, wall):
    good = sorted(result["latency"] for result in results if result["success"])
    errors = {}
    for result in results:
        if not result["success"]:
            errors[result["error"]] = errors.get(result["error"], 0) + 1
    return {
        "total_queries": len(results),
        "success_count": len(good),
        "fail_count": len(results) - len(good),
        # Without a good answer there is no latency.
        "avg_latency": round(sum(good) / len(good), 6) if good else None,
        "min_latency": good[0] if good else None,
        "max_latency": good[-1] if good else None,
        "p50_latency": percentile(good, 50),
        "p95_latency": percentile(good, 95),
        "p99_latency": percentile(good, 99),
        # Good answers over the time that passed; not over the sum of the latencies.
        "throughput_qps": round(len(good) / wall, 3) if wall else 0,
        "timeouts": errors.get("timeout", 0),
        "errors": errors,
    }


def violations(figures, options):
    """Which limits a stage did not keep to."""
    found = []
    if figures["total_queries"] < options.total:
        found.append(f"{figures['total_queries']} of {options.total} queries within {options.duration:g} s")
    if figures["fail_count"] > options.max_errors:
        found.append(f"{figures['fail_count']} errors, more than {options.max_errors}")
    if figures["success_count"] == 0:
        found.append("not one good answer")
    elif figures["p95_latency"] > options.max_p95:
        found.append(f"p95 {figures['p95_latency']:.3f} s, more than {options.max_p95:g} s")
    if figures["throughput_qps"] < options.min_throughput:
        found.append(f"{figures['throughput_qps']:.1f} queries a second, less than {options.min_throughput:g}")
    return found


def run(options, queries):
    """All stages, up to the first that does not keep to the limits."""
    stages, results, wall, withstood = [], [], 0, 0
    busy, all_time, _ = machine()
    start = time.time()
    for concurrency in options.concurrency:
        got, took = run_stage(options, queries, concurrency)
        figures = summary(got, took)
        broken = violations(figures, options)
        stages.append({"concurrency": concurrency, "summary": figures, "violations": broken})
        results, wall = results + got, wall + took
        if broken:
            break
        withstood = concurrency
    busy_after, all_after, memory = machine()
    failed = [result for result in results if not result["success"]]
    return {
        "summary": summary(results, wall),
        "stages": stages,
        "withstood": withstood,
        "violations": stages[-1]["violations"],
        "total_requests": len(results),
        "concurrency": stages[-1]["concurrency"],
        "start_time": round(start, 3),
        "end_time": round(time.time(), 3),
        "duration": round(wall, 6),
        "cpu_percent": round(100 * (busy_after - busy) / max(1, all_after - all_time), 1),
        "memory_percent": round(memory, 1),
        "errors": [result for result in failed if result["error"] != "timeout"],
        "timeouts": [result for result in failed if result["error"] == "timeout"],
        "results": results,
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--end", help="what makes CLIENT print load-end")
    parser.add_argument("--queries", help="a file, a query a line, used in turn; an address gets them by POST")
    parser.add_argument("--total", type=int, required=True, help="queries in each stage")
    parser.add_argument("--concurrency", type=int, nargs="+", required=True, help="workers in each stage")
    parser.add_argument("--timeout", type=float, required=True, help="seconds for a query")
    parser.add_argument("--duration", type=float, required=True, help="seconds of a stage after which none is begun")
    parser.add_argument("--max-errors", type=int, required=True)
    parser.add_argument("--max-p95", type=float, required=True)
    parser.add_argument("--min-throughput", type=float, required=True)
    parser.add_argument("--client", nargs=argparse.REMAINDER, metavar="CLIENT [ARGUMENT...]", help="the last option")
    return parser.parse_args()


def main():
    options = arguments()
    queries = []
    if options.queries:
        with open(options.queries) as lines:
            queries = [line.rstrip("\n") for line in lines if line.strip()]
    json.dump(run(options, queries), sys.stdout, indent=1)


main()
