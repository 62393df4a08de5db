// Maps of cells: point or walk with the arrow keys, and read one cell's class, id and features; zoom with + and -.
// See helpers/cellmap.py.
"use strict";

const MAP_SHAPES = {
  o: (c, r) => c.arc(0, 0, r, 0, 2 * Math.PI),
  s: (c, r) => c.rect(-r, -r, 2 * r, 2 * r),
  D: (c, r) => polygon(c, [[0, -1.3 * r], [1.3 * r, 0], [0, 1.3 * r], [-1.3 * r, 0]]),
  "^": (c, r) => polygon(c, [[0, -1.2 * r], [1.1 * r, r], [-1.1 * r, r]]),
  v: (c, r) => polygon(c, [[0, 1.2 * r], [1.1 * r, -r], [-1.1 * r, -r]]),
};
const MAP_KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function polygon(context, corners) {
  context.moveTo(...corners[0]);
  corners.slice(1).forEach((corner) => context.lineTo(...corner));
  context.closePath();
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}

class CellMap {
  constructor(box) {
    this.data = JSON.parse(box.querySelector("script").textContent);
    this.hidden = new Set();
    this.chosen = -1;
    this.zoom = 1;
    const { title, at, classes } = this.data;
    this.height = Math.max(...at.map((point) => point[1])) + 40;
    this.middle = [500, this.height / 2 - 20];
    const how = "Arrow keys move from cell to cell; plus, minus and zero zoom.";
    this.canvas = element("canvas", {
      tabindex: 0, role: "application", "aria-label": `Map of ${at.length} cells, ${title}. ${how}`,
    });
    this.line = element("output", { "aria-live": "polite" }, `Point at a cell, or focus the map. ${how}`);
    this.sketch = element("canvas", { "aria-hidden": "true", class: "cell-map-trace", width: 240, height: 100 });
    const buttons = classes.map((kind, number) => this.button(kind, number));
    const zooms = [["+", "Closer"], ["-", "Wider"], ["0", "All cells"]].map(([key, words]) => {
      const made = element("button", { type: "button", "aria-label": `${words}, ${title}` }, key === "0" ? words : key);
      made.addEventListener("click", () => this.magnify(key));
      return made;
    });
    box.querySelector("p").remove();
    box.append(element("p", { class: "cell-map-title" }, title), element("div", { role: "group",
      "aria-label": `Subclasses shown, ${title}` }, ...buttons),
    element("div", { role: "group", "aria-label": `Zoom, ${title}` }, ...zooms), this.canvas, this.line);
    if (this.data.trace) box.append(this.sketch);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerdown", (event) => this.point(event));
    this.canvas.addEventListener("keydown", (event) => this.walk(event));
    this.canvas.addEventListener("focus", () => this.chosen < 0 && this.choose(this.nearest(this.middle)));
    this.canvas.addEventListener("dblclick", (event) => {
      this.middle = this.at([event.offsetX, event.offsetY]);
      this.magnify("+");
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  button(kind, number) {
    const made = element("button", { type: "button", "aria-pressed": "true" },
      element("span", { "aria-hidden": "true", style: `background:${kind.colour}` }), kind.name);
    made.addEventListener("click", () => {
      const shown = this.hidden.delete(number);
      if (!shown) this.hidden.add(number);
      made.setAttribute("aria-pressed", String(shown));
      if (this.chosen >= 0 && !this.shows(this.chosen)) this.clear();
      this.draw();
    });
    return made;
  }

  scale() { return this.canvas.clientWidth / 1040; }

  // A place of the map on the canvas, and back.
  place([u, v]) {
    const scale = this.scale(), [x, y] = this.middle;
    return [((u - x) * this.zoom + 520) * scale, ((v - y) * this.zoom + this.height / 2) * scale];
  }

  at([left, top]) {
    const scale = this.scale(), [x, y] = this.middle;
    return [(left / scale - 520) / this.zoom + x, (top / scale - this.height / 2) / this.zoom + y];
  }

  magnify(key) {
    if (key === "0") this.zoom = 1;
    else this.zoom = Math.min(16, Math.max(1, this.zoom * (key === "-" ? 0.5 : 2)));
    if (this.zoom === 1) this.middle = [500, this.height / 2 - 20];
    else if (this.chosen >= 0) this.middle = this.data.at[this.chosen];
    this.draw();
  }

  clear() {
    this.chosen = -1;
    this.line.textContent = "";
    this.sketch.getContext("2d").clearRect(0, 0, 240, 100);
  }

  draw() {
    const dots = window.devicePixelRatio || 1, scale = this.scale();
    this.canvas.width = this.canvas.clientWidth * dots;
    this.canvas.height = this.height * scale * dots;
    this.canvas.style.height = `${this.height * scale}px`;
    const context = this.canvas.getContext("2d");
    context.setTransform(dots, 0, 0, dots, 0, 0);
    context.font = "11px sans-serif";
    context.fillStyle = "#595959";
    const [across, up] = this.data.axes, width = this.canvas.clientWidth, height = this.height * scale;
    context.fillText(`${across} \u2192`, width - context.measureText(`${across} \u2192`).width - 4, height - 5);
    context.fillText(`\u2191 ${up}`, 4, 12);
    this.data.at.forEach((_, cell) => this.shows(cell) && this.mark(context, cell, 2.4, 0.65));
    if (this.chosen >= 0) this.mark(context, this.chosen, 6, 1);
  }

  shows(cell) { return !this.hidden.has(this.data.class[cell]); }

  mark(context, cell, radius, alpha) {
    const kind = this.data.classes[this.data.class[cell]];
    context.save();
    context.translate(...this.place(this.data.at[cell]));
    context.beginPath();
    MAP_SHAPES[kind.marker](context, radius);
    context.globalAlpha = alpha;
    context.fillStyle = kind.colour;
    context.fill();
    if (alpha === 1) context.stroke();
    context.restore();
  }

  // The nearest shown cell to a place, of those that `allowed` lets pass.
  nearest([x, y], allowed = () => true, most = Infinity) {
    let best = -1;
    this.data.at.forEach(([u, v], cell) => {
      const distance = Math.hypot(u - x, v - y);
      if (distance < most && this.shows(cell) && allowed(u - x, v - y, cell)) [best, most] = [cell, distance];
    });
    return best;
  }

  point(event) {
    const near = 14 / this.scale() / this.zoom;
    const cell = this.nearest(this.at([event.offsetX, event.offsetY]), undefined, near);
    if (cell >= 0) this.choose(cell);
  }

  walk(event) {
    if ("+-0".includes(event.key)) return this.magnify(event.key);
    const way = MAP_KEYS[event.key];
    if (!way || this.chosen < 0) return;
    event.preventDefault();
    // Ahead means within 45 degrees of the key's direction.
    const ahead = (u, v) => u * way[0] + v * way[1] > Math.abs(u * way[1]) + Math.abs(v * way[0]);
    const cell = this.nearest(this.data.at[this.chosen], ahead);
    if (cell >= 0) this.choose(cell);
  }

  choose(cell) {
    if (cell < 0 || cell === this.chosen) return;
    this.chosen = cell;
    const [left, top] = this.place(this.data.at[cell]);  // a cell walked to outside of the window is brought into it
    if (left < 0 || top < 0 || left > this.canvas.clientWidth || top > this.height * this.scale()) {
      this.middle = this.data.at[cell];
    }
    const { ids, classes, features, values, trace } = this.data;
    const told = features.map((name, i) => `${name} ${values[i][cell] ?? "not measured"}`);
    this.line.textContent = `${ids[cell]}, ${classes[this.data.class[cell]].name}: ${told.join(", ")}`;
    if (trace) this.plot(trace[cell]);
    this.draw();
  }

  plot(row) {
    const context = this.sketch.getContext("2d"), low = Math.min(...row), span = Math.max(...row) - low || 1;
    context.clearRect(0, 0, 240, 100);
    if (row.includes(null)) return;
    context.strokeStyle = getComputedStyle(this.line).color;
    context.beginPath();
    row.forEach((v, i) => context.lineTo((240 * i) / (row.length - 1), 95 - (90 * (v - low)) / span));
    context.stroke();
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".cell-map").forEach((box) => new CellMap(box));
});
