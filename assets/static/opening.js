// The opening figure: a recording to step through, and a classifier to play with. See helpers/opening.py.
"use strict";

const OPENING_AREA = [640, 220];

class Opening {
  constructor(box) {
    this.box = box;
    Object.assign(this, JSON.parse(box.querySelector("script").textContent));
    box.querySelector(".opening-static").remove();
    if (this.sweeps) this.playRecording();
    this.playModel();
    box.classList.add("opening-live");
  }

  // A named slider with its value beside it, which calls `moved` with the value.
  slider(name, range, told, moved) {
    const input = this.make("input", { type: "range", "aria-label": name, ...range });
    const output = this.make("output", {});
    const label = this.make("label", {}, this.make("span", {}, name), input, output);
    const say = () => {
      output.textContent = told(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
    };
    input.addEventListener("input", () => { say(); moved(Number(input.value)); });
    return { label, input, say };
  }

  make(name, attributes, ...children) {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.append(...children);
    return made;
  }

  playRecording() {
    const start = this.sweeps.findIndex((sweep) => sweep.pa === 100);
    const { label, say } = this.slider(
      "current", { min: 0, max: this.sweeps.length - 1, step: 1, value: start },
      (i) => `${this.signed(this.sweeps[i].pa)} pA`, (i) => this.drawSweep(this.sweeps[i]),
    );
    say();
    this.box.querySelector(".opening-cell svg").after(label);
  }

  signed(value) { return String(value).replace("-", "\u2212"); }

  drawSweep({ pa, mv }) {
    const [width] = OPENING_AREA;
    const trace = mv.map((v, i) => `${((width * i) / (mv.length - 1)).toFixed(1)},${((165 * (40 - v)) / 150).toFixed(1)}`);
    this.box.querySelector(".opening-voltage").setAttribute("points", trace.join(" "));
    const line = this.box.querySelector(".opening-current"), corners = line.getAttribute("points").split(" ");
    const rest = corners[0].split(",")[1], step = (210 - (35 * (pa + 100)) / 400).toFixed(1);
    const [on, off] = [corners[1].split(",")[0], corners[4].split(",")[0]];
    line.setAttribute("points", `0,${rest} ${on},${rest} ${on},${step} ${off},${step} ${off},${rest} ${width},${rest}`);
  }

  playModel() {
    const place = this.box.querySelector(".opening-model");
    this.controls = this.sliders.map(({ name, unit, low, high, step }) => {
      const digits = step < 0.01 ? 3 : step < 1 ? 2 : 0;
      return this.slider(name, { min: low, max: high, step, value: low },
        (value) => `${this.signed(value.toFixed(digits))} ${unit}`.trim(), () => this.answer());
    });
    const buttons = this.classes.map(({ name }, number) => {
      const button = this.make("button", { type: "button" }, name);
      button.addEventListener("click", () => this.set(this.typical[number]));
      return button;
    });
    this.bars = this.classes.map(({ name, colour }) => {
      const bar = this.make("span", { class: "opening-bar", style: `background:${colour}` });
      const share = this.make("span", { class: "opening-share" });
      return { row: this.make("li", {}, this.make("span", {}, name), this.make("span", { class: "opening-track" }, bar), share), bar, share };
    });
    this.said = this.make("p", { class: "opening-said", "aria-live": "polite" });
    const sliders = this.make("div", { class: "opening-sliders" }, ...this.controls.map((control) => control.label));
    const typical = this.make("div",
      { class: "opening-typical", role: "group", "aria-label": "Set the sliders to a typical cell" },
      this.make("span", {}, "A typical "), ...buttons);
    const bars = this.make("ul", { class: "opening-bars" }, ...this.bars.map((bar) => bar.row));
    place.append(this.make("div", {}, sliders, typical), this.make("div", {}, bars, this.said));
    this.set(this.typical[1] ?? this.typical[0]);
  }

  set(values) {
    this.controls.forEach(({ input, say }, i) => { input.value = values[i]; say(); });
    this.answer();
  }

  // The probabilities of the classes for values in the units of the sliders; `Opening.probabilities` in Python.
  probabilities(values) {
    const { mean, scale, weights, bias } = this.model;
    const z = values.map((v, i) => ((this.sliders[i].log ? Math.log(Math.max(v, 1e-3)) : v) - mean[i]) / scale[i]);
    const terms = [...z];
    z.forEach((a, i) => z.slice(i).forEach((b) => terms.push(a * b)));
    const scores = weights.map((row, k) => bias[k] + row.reduce((sum, w, i) => sum + w * terms[i], 0));
    const most = Math.max(...scores), e = scores.map((score) => Math.exp(score - most));
    const total = e.reduce((a, b) => a + b, 0);
    return e.map((value) => value / total);
  }

  answer() {
    const p = this.probabilities(this.controls.map(({ input }) => Number(input.value)));
    this.bars.forEach(({ bar, share }, k) => {
      bar.style.width = `${100 * p[k]}%`;
      share.textContent = `${Math.round(100 * p[k])} %`;
    });
    const best = p.indexOf(Math.max(...p));
    const sure = p[best] > 0.8 ? "very likely" : p[best] > 0.5 ? "probably" : "perhaps";
    this.said.textContent = `The classifier says: ${sure} ${this.classes[best].name}.`;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".opening").forEach((box) => { box.opening = new Opening(box); });
});
