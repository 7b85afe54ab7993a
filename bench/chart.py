"""CPU per request as an SVG: a panel for each work, a bar for each proxy. It has a ground of its own,
light or dark as the reader's system is, so that it is legible on any page."""

from xml.sax.saxutils import escape

import cpu
import report

COLUMNS, WIDTH, NAME, VALUE = 3, 310, 82, 58
LINE, BAR, HEAD, GAP, EDGE = 17, 11, 26, 18, 16
NOTE = "CPU per request of the whole process tree, user and system; shorter is better"
STYLE = """
  .ground { fill: #ffffff }
  text { font: 11px system-ui, sans-serif; fill: #57606a }
  .title { font-weight: 600; fill: #24292f }
  .shunt { fill: #0f8a6d } .other { fill: #9aa4af } .floor { fill: #c9a227 }
  .mine { font-weight: 600; fill: #0f8a6d }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #9198a1 } .title { fill: #e6edf3 }
    .shunt, .mine { fill: #2fbf9b } .other { fill: #6e7681 } .floor { fill: #a68a2d }
  }
"""


def svg(figures):
    results = figures["results"]
    panels = [(name, results[name]) for name in cpu.SCENARIOS if name in results]
    parts, y = [], EDGE
    for row in range(0, len(panels), COLUMNS):
        three = panels[row : row + COLUMNS]
        for n, (name, of) in enumerate(three):
            parts.append(panel(cpu.SCENARIOS[name].about, of, EDGE + n * WIDTH, y))
        y += HEAD + LINE * max(len(of) for _, of in three) + GAP
    note = "CPU per request of the whole process tree, user and system; shorter is better"
    parts.append(f'<text x="{EDGE}" y="{y + 8}">{NOTE}</text>')
    width, height = 2 * EDGE + COLUMNS * WIDTH - GAP, y + 8 + EDGE
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<title>{NOTE}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
        *parts,
        "</svg>\n",
    ])


def panel(title, of, x, y):
    longest = max(figures["cpu_us"] for figures in of.values()) or 1
    room = WIDTH - NAME - VALUE - GAP
    parts = [f'<text class="title" x="{x}" y="{y + 14}">{escape(title)}</text>']
    for n, (peer, figures) in enumerate(of.items()):
        top, long = y + HEAD + n * LINE, figures["cpu_us"] / longest * room
        kind = "shunt" if peer.startswith("shunt") else "floor" if peer == "floor" else "other"
        mine = ' class="mine"' if kind == "shunt" else ""
        value = f"{report.number(figures['cpu_us'])} µs"
        name, left = escape(report.label(peer)), x + NAME
        parts += [
            f'<text{mine} x="{left - 6}" y="{top + 9}" text-anchor="end">{name}</text>',
            f'<rect class="{kind}" x="{left}" y="{top}" width="{long:.1f}" height="{BAR}" rx="2"/>',
            f'<text{mine} x="{left + long + 5:.1f}" y="{top + 9}">{value}</text>',
        ]
    return "\n".join(parts)
