"use strict";
// Draws what the page holds (see page.py): slices of a grid z, y, x through one point, the image's channels added up in
// their colours, labels over them. Text from metadata goes on the page as text, by textContent, never as markup.

const view = JSON.parse(document.getElementById("view").textContent);
const {grid, image} = view;
const AXES = [0, 1, 2];
const LARGEST = grid.sizes[0] > 1 ? 420 : 820; // pixels of the longest side of a slice

// ---- samples ----

function decoded(volume) {
  const bytes = Uint8Array.from(atob(volume.samples), (letter) => letter.charCodeAt(0));
  return volume.type === "uint16" ? new Uint16Array(bytes.buffer) : bytes;
}

/** How far apart neighbours along z, y and x lie in the samples of a volume channel, z, y, x. */
function strides(shape) {
  const [nz, ny, nx] = shape.slice(-3);
  return {whole: nz * ny * nx, along: [ny * nx, nx, 1]};
}

const samples = image && decoded(image);
const channels = image ? image.channels : [];
const labels = view.labels.map((one) => ({...one, samples: decoded(one), active: true, opacity: image ? 0.5 : 1, paint: paint(one)}));

/** Red, green and blue of every label; null for what is not drawn. */
function paint(one) {
  return one.colours.map((colour) => (colour ? rgb(colour) : null));
}

function rgb(colour) {
  return [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** Of each number that a sample can be, how bright it is: 0 to 1. */
function brightness(channel) {
  const [low, high] = channel.window;
  const table = new Float32Array(image.type === "uint16" ? 65536 : 256);
  for (let number = 0; number < table.length; number++) {
    const value = image.low + image.step * number;
    table[number] = number === image.none ? 0 : Math.min(1, Math.max(0, (value - low) / (high - low)));
  }
  return table;
}

// ---- where we are ----

const point = grid.sizes.map((n) => Math.floor(n / 2));

/** From a sample's number to its place on the screen, and back. */
function onScreen(axis, at) {
  return grid.backwards[axis] ? grid.sizes[axis] - 1 - at : at;
}

function moveTo(axis, at) {
  point[axis] = Math.min(grid.sizes[axis] - 1, Math.max(0, Math.round(at)));
}

function readHash() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const axis = grid.names.indexOf(name);
    if (axis >= 0 && value !== "" && Number.isFinite(Number(value))) moveTo(axis, Number(value));
  }
}

// ---- drawing ----

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const steps = grid.steps ?? [1, 1, 1];
const extents = AXES.map((axis) => grid.sizes[axis] * steps[axis]);
const scale = LARGEST / Math.max(...extents.filter((_, axis) => grid.sizes[0] > 1 || axis > 0));

/** The slice across an axis: its canvas, its slider, and the lines where the others cut it. */
function makeSlice(axis) {
  const [rows, columns] = AXES.filter((other) => other !== axis);
  const [height, width] = [grid.sizes[rows], grid.sizes[columns]];
  const canvas = element("canvas", {width, height, id: `slice-${axis}`});
  const across = element("div", {className: "line across"});
  const down = element("div", {className: "line down"});
  const frame = element("div", {className: "frame"}, canvas, across, down);
  for (const [side, one, end] of [["top", rows, 0], ["bottom", rows, 1], ["left", columns, 0], ["right", columns, 1]]) {
    if (grid.ends[one]) {
      const text = grid.ends[one][grid.backwards[one] ? 1 - end : end];
      frame.append(element("span", {className: `end ${side}`, textContent: text}));
    }
  }
  const slider = element("input", {type: "range", min: 0, max: grid.sizes[axis] - 1, id: `slider-${axis}`});
  slider.addEventListener("input", () => { moveTo(axis, Number(slider.value)); draw(); });
  const where = element("span");
  const caption = element("figcaption", {}, element("label", {textContent: grid.names[axis], htmlFor: slider.id}), slider, where);
  const flat = grid.sizes[0] === 1;
  document.getElementById("slices").append(element("figure", {}, frame, ...(flat ? [] : [caption])));

  function follow(event) {
    const box = canvas.getBoundingClientRect();
    moveTo(columns, onScreen(columns, Math.floor(((event.clientX - box.left) / box.width) * width)));
    moveTo(rows, onScreen(rows, Math.floor(((event.clientY - box.top) / box.height) * height)));
    draw();
  }
  frame.addEventListener("pointerdown", (event) => { frame.setPointerCapture(event.pointerId); follow(event); });
  frame.addEventListener("pointermove", (event) => { if (event.buttons & 1) follow(event); });
  frame.addEventListener("wheel", (event) => {
    if (flat) return;
    event.preventDefault();
    moveTo(axis, point[axis] + Math.sign(event.deltaY));
    draw();
  }, {passive: false});
  return {axis, rows, columns, width, height, canvas, across, down, slider, where};
}

/** Give the slices the proportions of the world. magnified : over the size at which they fit. */
function sizeSlices(magnified) {
  for (const {canvas, rows, columns} of slices) {
    canvas.style.width = `${Math.max(1, extents[columns] * scale * magnified)}px`;
    canvas.style.height = `${Math.max(1, extents[rows] * scale * magnified)}px`;
  }
}

function drawSlice(slice) {
  const {axis, rows, columns, width, height} = slice;
  const sum = new Float32Array(3 * width * height);
  if (image) addChannels(sum, slice);
  for (const one of labels) if (one.active) layOver(sum, slice, one);
  const picture = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let part = 0; part < 3; part++) picture.data[4 * pixel + part] = sum[3 * pixel + part]; // clamped and rounded
    picture.data[4 * pixel + 3] = 255;
  }
  slice.canvas.getContext("2d").putImageData(picture, 0, 0);
  slice.slider.value = point[axis];
  slice.where.textContent = place(axis);
  slice.across.style.top = `${((onScreen(rows, point[rows]) + 0.5) / height) * 100}%`;
  slice.down.style.left = `${((onScreen(columns, point[columns]) + 0.5) / width) * 100}%`;
}

function addChannels(sum, {axis, rows, columns, width, height}) {
  const {whole, along} = strides(image.shape);
  channels.forEach((channel, number) => {
    if (!channel.active) return;
    const table = (channel.table ??= brightness(channel));
    const colour = rgb(channel.colour);
    const start = number * whole + point[axis] * along[axis];
    for (let row = 0, pixel = 0; row < height; row++) {
      const line = start + onScreen(rows, row) * along[rows];
      for (let column = 0; column < width; column++, pixel += 3) {
        const bright = table[samples[line + onScreen(columns, column) * along[columns]]];
        for (let part = 0; part < 3; part++) sum[pixel + part] += bright * colour[part];
      }
    }
  });
}

function layOver(sum, {axis, rows, columns, width, height}, one) {
  const {along} = strides(one.shape);
  const across = one.places[axis][point[axis]];
  if (across < 0) return;
  for (let row = 0, pixel = 0; row < height; row++) {
    const y = one.places[rows][onScreen(rows, row)];
    for (let column = 0; column < width; column++, pixel += 3) {
      const x = one.places[columns][onScreen(columns, column)];
      if (x < 0 || y < 0) continue;
      const colour = one.paint[one.samples[across * along[axis] + y * along[rows] + x * along[columns]]];
      if (!colour) continue;
      for (let part = 0; part < 3; part++) {
        sum[pixel + part] = Math.min(255, sum[pixel + part]) * (1 - one.opacity) + colour[part] * one.opacity;
      }
    }
  }
}

// ---- in words ----

function short(value) {
  return String(Number(Number(value.toPrecision(6)).toFixed(9)));
}

/** Where we are along an axis: the sample's number, and its position where one is known. */
function place(axis) {
  if (grid.origin[axis] === null) return String(point[axis]);
  const position = grid.origin[axis] + grid.spacing[axis] * point[axis];
  return `${point[axis]} (${short(position)}${grid.units[axis] ? ` ${grid.units[axis]}` : ""})`;
}

function here() {
  const words = AXES.filter((axis) => grid.sizes[0] > 1 || axis > 0).map((axis) => `${grid.names[axis]} ${place(axis)}`);
  if (image) {
    const {whole, along} = strides(image.shape);
    const at = AXES.reduce((sum, axis) => sum + point[axis] * along[axis], 0);
    channels.forEach((channel, number) => {
      const found = samples[number * whole + at];
      words.push(`${channel.label}: ${found === image.none ? "NaN" : short(image.low + image.step * found)}`);
    });
  }
  for (const one of labels) {
    const {along} = strides(one.shape);
    const at = AXES.map((axis) => one.places[axis][point[axis]]);
    const found = at.includes(-1) ? "none" : one.values[one.samples[AXES.reduce((sum, axis) => sum + at[axis] * along[axis], 0)]];
    words.push(`${one.name}: ${found}`);
  }
  return words.join(", ");
}

// ---- controls ----

function sizeControl() {
  const size = element("input", {type: "range", min: -2, max: 3, step: 0.1, id: "size"}); // powers of two
  size.value = 0;
  size.addEventListener("input", () => sizeSlices(2 ** size.value));
  const lines = element("input", {type: "checkbox", checked: true});
  lines.addEventListener("input", () => document.getElementById("slices").classList.toggle("plain", !lines.checked));
  const legend = element("legend", {}, element("label", {textContent: "size", htmlFor: "size"}), " ", element("label", {}, lines, " lines"));
  document.getElementById("controls").append(element("fieldset", {}, legend, size));
}

function control(one, ...children) {
  const box = element("input", {type: "checkbox", checked: one.active});
  box.addEventListener("input", () => { one.active = box.checked; draw(); });
  const legend = element("legend", {}, element("label", {}, box, ` ${one.label ?? one.name} `));
  document.getElementById("controls").append(element("fieldset", {}, legend, ...children));
  return legend;
}

function channelControl(channel) {
  const [least, most] = channel.range;
  const bars = element("canvas", {className: "bars", width: 256, height: 56});
  const numbers = element("div", {className: "numbers"});
  const ends = [0, 1].map((end) => {
    const slider = element("input", {type: "range", min: least, max: most, step: (most - least) / 1000 || 1});
    slider.value = channel.window[end];
    slider.ariaLabel = `${channel.label}: ${end ? "white" : "black"}`;
    slider.addEventListener("input", () => {
      const other = channel.window[1 - end], value = Number(slider.value);
      channel.window[end] = end ? Math.max(value, other + (most - least) / 1e4) : Math.min(value, other - (most - least) / 1e4);
      channel.table = undefined;
      tell();
      draw();
    });
    return slider;
  });
  const colour = element("input", {type: "color", value: `#${channel.colour}`, ariaLabel: `colour of ${channel.label}`});
  colour.addEventListener("input", () => { channel.colour = colour.value.slice(1); tell(); draw(); });
  function tell() {
    drawBars(bars, channel);
    numbers.replaceChildren(...channel.window.map((value) => element("span", {textContent: short(value)})));
  }
  control(channel, bars, numbers, ...ends).append(colour);
  tell();
}

/** The histogram, as logarithms of counts, and the window's ends. */
function drawBars(canvas, channel) {
  const context = canvas.getContext("2d");
  const {width, height} = canvas;
  const [least, most] = channel.range;
  const x = (value) => ((value - least) / (most - least || 1)) * width;
  const highest = Math.log1p(Math.max(...channel.histogram));
  const [from, to] = channel.ends.map(x);
  context.clearRect(0, 0, width, height);
  context.fillStyle = `#${channel.colour}`;
  channel.histogram.forEach((count, bin) => {
    const tall = (Math.log1p(count) / (highest || 1)) * height;
    const wide = Math.max(1, (to - from) / channel.histogram.length);
    context.fillRect(from + ((to - from) * bin) / channel.histogram.length, height - tall, wide, tall);
  });
  context.fillStyle = "#ffd24d";
  for (const end of channel.window) context.fillRect(Math.min(width - 1, Math.max(0, x(end))), 0, 1, height);
}

function labelControl(one) {
  const slider = element("input", {type: "range", min: 0, max: 1, step: 0.05, value: one.opacity, ariaLabel: `opacity of ${one.name}`});
  slider.addEventListener("input", () => { one.opacity = Number(slider.value); draw(); });
  const count = one.values.length;
  control(one, slider, element("div", {className: "quiet", textContent: `${count} ${count === 1 ? "value" : "values"}; ${one.how}`}));
}

// ---- the page ----

function row(kind, texts) {
  return element("tr", {}, ...texts.map((text) => element(kind, {textContent: text})));
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  while (count >= 1024 && units.length > 1) { count /= 1024; units.shift(); }
  return units[0] === "B" ? `${count} B` : `${count.toFixed(2)} ${units[0]}`;
}

function tables() {
  const told = document.getElementById("told");
  for (const [name, value] of view.told) {
    told.append(element("tr", {}, element("th", {textContent: name}), element("td", {textContent: value})));
  }
  const levels = document.getElementById("levels");
  levels.append(row("th", ["level", "shape", "spacing", "bytes"]));
  view.levels.forEach((one, number) => {
    const spacing = one.spacing ? one.spacing.map((step) => (step === null ? "unknown" : short(step))).join(", ") : "unknown";
    levels.append(row("td", [one.path ?? String(number), one.shape.join("x"), spacing, bytes(one.bytes)]));
  });
}

function draw() {
  slices.forEach(drawSlice);
  document.getElementById("here").textContent = here();
}

document.querySelector("h1").textContent = view.place;
document.getElementById("how").textContent = `Shown: ${grid.how}${grid.steps ? "" : "; spacing unknown, samples drawn as squares"}`;
document.getElementById("slices").className = grid.sizes[0] > 1 ? "" : "flat";
readHash();
const slices = (grid.sizes[0] > 1 ? AXES : [0]).map(makeSlice);
sizeSlices(1);
sizeControl();
channels.forEach(channelControl);
labels.forEach(labelControl);
tables();
draw();
addEventListener("hashchange", () => { readHash(); draw(); });
