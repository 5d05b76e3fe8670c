"""Opens the pages of a folder in a browser, and reads what lies beside them with other people's programs.

Usage: browser.py FOLDER BROWSER. In the folder: run.html, capacity.html, double.html, replay.html and overlay.html;
run.json, run.hlog; capacity.json; schema.json.
Ends with 1 and a line for each thing that is wrong. Leaves screenshots in FOLDER/screenshots, to be looked at.
"""

import json
import math
import pathlib
import sys

import jsonschema
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from playwright.sync_api import sync_playwright

PLOTS = {
    "run.html": ["curve", "heat-0", "fan-out", "skipped", "sent", "traffic", "cost"],
    "replay.html": ["curve", "heat-0", "fan-out", "skipped", "sent", "traffic", "cost"],
    "double.html": ["curve", "heat-0", "fan-out", "skipped", "sent", "traffic", "cost"],
    "capacity.html": ["curve", "heat-0", "throughput", "fan-out", "skipped", "sent", "traffic", "cost"],
    "overlay.html": ["curve", "heat-0", "heat-1", "throughput", "fan-out", "skipped", "sent", "traffic", "cost"],
}
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]

# What is to be found in one plot, asked of the page itself.
LOOK = """
plot => {
  const svg = plot.querySelector('svg:not(.swatch)');
  const box = svg.getBoundingClientRect();
  const named = svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id)?.textContent ?? '');
  const shapes = [...svg.querySelectorAll('polyline, polygon, circle, rect')].filter(
      shape => { const { width, height } = shape.getBBox(); return width > 0 || height > 0; });
  const paints = [...svg.querySelectorAll('polyline, polygon, circle, rect')].flatMap(
      shape => [getComputedStyle(shape).fill, getComputedStyle(shape).stroke]);
  // How a legend's entry looks: colour, dashes, and the corners of its shape.
  const keys = [...plot.querySelectorAll('.legend .swatch')].map(swatch => {
      const line = getComputedStyle(swatch.querySelector('line'));
      return { name: swatch.parentElement.textContent.trim(), colour: line.stroke, dashes: line.strokeDasharray,
               shape: swatch.querySelector('polygon').getAttribute('points') }; });
  const labels = [...svg.querySelectorAll('text')];
  return {
    id: plot.id, width: box.width, height: box.height, named, marks: Number(svg.dataset.marks), shapes: shapes.length,
    labels: labels.length, out: labels.filter(label => { const text = label.getBoundingClientRect();
      return text.left < box.left - 1 || text.right > box.right + 1 || text.top < box.top - 1
        || text.bottom > box.bottom + 1; }).map(label => label.textContent),
    ink: getComputedStyle(labels[0]).fill, colours: [...new Set(paints)], keys,
    rows: plot.querySelectorAll('details tbody tr').length, legend: plot.querySelectorAll('.legend li').length,
  };
}
"""

wrong = []


def quantile(histogram, share):
    """The other implementation rounds to the nearest rank where ours rounds up: it is asked for the rank that ours takes."""
    count = histogram.get_total_count()
    return histogram.get_value_at_percentile(100 * math.ceil(share * count) / max(count, 1))


def expect(what, holds):
    if not holds:
        wrong.append(what)


def check_looks(at, plot, is_overlaid):
    """Series are told apart by colour as well as without it, and are drawn as the legend has them."""
    keys = plot["keys"]
    for key in keys:
        expect(f"{at}: nothing is drawn in the colour of {key['name']}, {key['colour']}", key["colour"] in plot["colours"])
    for number, one in enumerate(keys):
        for other in keys[:number]:
            both = f"{at}: {other['name']} and {one['name']}"
            if is_overlaid:
                expect(f"{both} have one colour, {one['colour']}", one["colour"] != other["colour"])
                expect(f"{both} have one shape", one["shape"] != other["shape"])
            else:
                expect(f"{both} look alike without colour", (one["shape"], one["dashes"]) != (other["shape"], other["dashes"]))


def look_at(browser, file, scheme, width, screenshots):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    where = f"{file.name}, {scheme}, {width} pixels"
    page.on("console", lambda said: expect(f"{where}: console {said.type}: {said.text}", said.type not in ("error", "warning")))
    page.on("pageerror", lambda error: expect(f"{where}: {error}", False))
    page.on("request", lambda asked: expect(f"{where}: asks for {asked.url}", asked.url.split(":")[0] in ("file", "data")))
    page.goto(file.as_uri())
    found = {plot["id"]: plot for plot in page.locator("figure.plot").evaluate_all(f"plots => plots.map({LOOK})")}
    expected = [f"plot-{name}" for name in PLOTS[file.name]]
    expect(f"{where}: plots {list(found)}, expected {expected}", list(found) == expected)
    for name, plot in found.items():
        at = f"{where}, {name}"
        expect(f"{at}: is {plot['width']} by {plot['height']}", plot["width"] > 250 and plot["height"] > 120)
        expect(f"{at}: has no title or description", len(plot["named"]) == 2 and all(plot["named"]))
        expect(f"{at}: {plot['marks']} marks, {plot['shapes']} shapes", plot["marks"] > 0 and plot["shapes"] >= plot["marks"] / 2)
        expect(f"{at}: {plot['labels']} labels", plot["labels"] >= 3)
        expect(f"{at}: labels out of the picture: {plot['out']}", not plot["out"])
        expect(f"{at}: no numbers beside it", plot["rows"] > 0 and plot["legend"] > 0)
        check_looks(at, plot, is_overlaid=len(plot["keys"]) > 1 and file.stem == "overlay" and not name.startswith("plot-heat"))
        light = sum(int(part) for part in plot["ink"].removeprefix("rgb(").rstrip(")").split(",")) > 384
        expect(f"{at}: writes in {plot['ink']}", light == (scheme == "dark"))
    wide = page.evaluate("document.documentElement.scrollWidth")
    expect(f"{where}: is {wide} pixels wide", wide <= width)
    page.screenshot(path=screenshots / f"{file.stem}-{scheme}-{width}.png", full_page=True)
    context.close()


def read_log(folder):
    """The interval log, read by an implementation that is not ours, has the quantiles of the report."""
    series = json.loads((folder / "run.json").read_text())["series"]
    reader = HistogramLogReader(str(folder / "run.hlog"), HdrHistogram(1, 60_000_000, 2))
    read = {"first": [], "median": [], "last": []}
    while (interval := reader.get_next_interval_histogram(-1e18, 1e18, True)) is not None:
        read[interval.get_tag()].append(interval)
    for tag, intervals in read.items():
        ours = series[f"{tag}_us"]
        expect(f"run.hlog: {len(intervals)} intervals of {tag}, expected {len(ours['count'])}", len(intervals) == len(ours["count"]))
        for at, interval in enumerate(intervals):
            theirs = {
                "count": interval.get_total_count(),
                **{f"p{share}": quantile(interval, share / 100) for share in (50, 90, 99)},
                "max": interval.get_max_value(),
            }
            for figure, value in theirs.items():
                expected = ours[figure][at]
                expect(f"run.hlog: {figure} of {tag} in interval {at} is {value}, expected {expected}", value == expected)
    expect("run.hlog: nothing was counted", sum(one.get_total_count() for one in read["last"]) > 0)
    whole = json.loads((folder / "run.json").read_text())
    for watcher in ("first", "median", "last"):
        for from_, latency in (("from_plan", "latency_us"), ("from_send", "latency_from_send_us")):
            theirs = HdrHistogram.decode(whole["curves"][from_][watcher]["histogram_us"])
            ours = whole[latency][watcher]
            for figure, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
                value = quantile(theirs, share)
                expect(f"run.json: {figure} of {watcher} {from_} is {value}, expected {ours[figure]}", value == ours[figure])


def main(folder, browser_path):
    schema = json.loads((folder / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in ("run.json", "capacity.json"):
        for error in jsonschema.Draft202012Validator(schema).iter_errors(json.loads((folder / name).read_text())):
            expect(f"{name}: {error.json_path}: {error.message}", False)
    read_log(folder)
    screenshots = folder / "screenshots"
    screenshots.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        # Without a sandbox, for containers have no second one inside; the pages are our own and ask for nothing.
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name in PLOTS:
            for scheme, width in LOOKS:
                look_at(browser, folder / name, scheme, width, screenshots)
        browser.close()
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]))
