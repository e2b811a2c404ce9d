# SPDX-License-Identifier: Apache-2.0
"""Line charts as SVG text: few series, logarithmic height, nothing to install."""
import math

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 50
COLOURS = ("#1b6ca8", "#888888", "#c2571a", "#3a8a3a", "#7a4fa3")
LEAST = 0.1  # what is below lies on the axis


def lines(title, across, up, series):
    """`series`: {name: {x: y}}."""
    xs = sorted({x for points in series.values() for x in points})
    top = max(y for points in series.values() for y in points.values())
    decades = math.ceil(math.log10(top / LEAST))

    def x_at(x):
        return LEFT + (x - xs[0]) / max(1, xs[-1] - xs[0]) * (WIDTH - LEFT - RIGHT)

    def y_at(y):
        share = math.log10(max(y, LEAST) / LEAST) / decades
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{WIDTH / 2}" y="20" text-anchor="middle" font-size="14">{title}</text>',
           f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{across}</text>']
    for decade in range(decades + 1):
        value = LEAST * 10 ** decade
        y = y_at(value)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g} {up}</text>')
    for x in xs:
        out.append(f'<text x="{x_at(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in sorted(points.items()))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in points.items():
            out.append(f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" fill="{colour}"/>')
        legend = TOP + 10 + 18 * number
        out.append(f'<rect x="{WIDTH - 190}" y="{legend - 9}" width="12" height="12" fill="{colour}"/>')
        out.append(f'<text x="{WIDTH - 172}" y="{legend + 2}">{name}</text>')
    return "\n".join(out + ["</svg>", ""])
