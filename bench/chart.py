"""CPU per request as an SVG: a panel for each work, a bar for each proxy. Text and bars are legible on
light and on dark, and follow whoever says which it is."""

from xml.sax.saxutils import escape

import cpu
import report

COLUMNS, WIDTH, NAME, VALUE = 3, 330, 104, 58
LINE, BAR, HEAD, GAP = 17, 11, 26, 18
STYLE = """
  text { font: 11px system-ui, sans-serif; fill: #57606a }
  .title { font-weight: 600; fill: #24292f }
  .shunt { fill: #0f8a6d } .other { fill: #9aa4af } .floor { fill: #c9a227 }
  .mine { font-weight: 600; fill: #0f8a6d }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title { fill: #e6edf3 }
    .shunt, .mine { fill: #2fbf9b } .other { fill: #6e7681 } .floor { fill: #a68a2d }
  }
"""


def svg(figures):
    results = figures["results"]
    panels = [(name, results[name]) for name in cpu.SCENARIOS if name in results]
    parts, y = [], 0
    for row in range(0, len(panels), COLUMNS):
        three = panels[row : row + COLUMNS]
        for n, (name, of) in enumerate(three):
            parts.append(panel(cpu.SCENARIOS[name].about, of, n * WIDTH, y))
        y += HEAD + LINE * max(len(of) for _, of in three) + GAP
    note = "CPU per request of the whole process tree, user and system; shorter is better"
    parts.append(f'<text x="0" y="{y + 8}">{note}</text>')
    size = f'width="{COLUMNS * WIDTH}" height="{y + 16}" viewBox="0 0 {COLUMNS * WIDTH} {y + 16}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, f"<title>{note}</title>", f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def panel(title, of, x, y):
    longest = max(figures["cpu_us"] for figures in of.values()) or 1
    room = WIDTH - NAME - VALUE - GAP
    parts = [f'<text class="title" x="{x}" y="{y + 14}">{escape(title)}</text>']
    for n, (peer, figures) in enumerate(of.items()):
        top, long = y + HEAD + n * LINE, figures["cpu_us"] / longest * room
        kind = "shunt" if peer.startswith("shunt") else "floor" if peer == "floor" else "other"
        mine = ' class="mine"' if kind == "shunt" else ""
        value = f"{report.number(figures['cpu_us'])} µs"
        parts += [
            f'<text{mine} x="{x + NAME - 6}" y="{top + 9}" text-anchor="end">{escape(report.label(peer))}</text>',
            f'<rect class="{kind}" x="{x + NAME}" y="{top}" width="{long:.1f}" height="{BAR}" rx="2"/>',
            f'<text{mine} x="{x + NAME + long + 5:.1f}" y="{top + 9}">{value}</text>',
        ]
    return "\n".join(parts)
