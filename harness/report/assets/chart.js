"use strict";
/* A chart of throughput: zoom by moving the view boxes, and say what happened where one points. */
function makeChart(figure) {
  const drawings = figure.querySelector(".drawings");
  const svgs = [...drawings.querySelectorAll(".zoom")];
  const outputs = [...figure.querySelectorAll(".row-name output")];
  const moments = JSON.parse(figure.querySelector(".moments").textContent);
  const cursor = figure.querySelector(".cursor");
  const selection = figure.querySelector(".selection");
  const readout = figure.querySelector(".readout");
  const ticks = figure.querySelector(".ticks");
  const whole = moments.duration, least = Math.min(whole, 200);
  const view = { begin: 0, end: whole };
  let at = null, dragFrom = null;

  const clock = (ms) => {
    const tenths = Math.round(ms / 100), minutes = Math.floor(tenths / 600);
    const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    return minutes < 60 ? `${minutes}:${seconds}`
      : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
  };
  const amount = (bytes) => {
    const power = Math.min(3, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)));
    return (bytes / 1024 ** power).toFixed(power ? 1 : 0) + " " + ["B", "KiB", "MiB", "GiB"][power] + "/s";
  };
  const percent = (ms) => 100 * (ms - view.begin) / (view.end - view.begin);

  function show(begin, end) {
    const length = Math.min(whole, Math.max(least, end - begin));
    view.begin = Math.max(0, Math.min(begin, whole - length));
    view.end = view.begin + length;
    const unit = 10000 / whole;
    for (const svg of svgs) {
      const { y, height } = svg.viewBox.baseVal;
      svg.setAttribute("viewBox", `${view.begin * unit} ${y} ${length * unit} ${height}`);
    }
    drawings.classList.toggle("whole", length > whole / 3);
    drawTicks(length);
    if (at !== null) point(at);
  }

  function drawTicks(length) {
    let step = 10 ** Math.floor(Math.log10(length / 4));
    step *= [1, 2, 5, 10].find((n) => length / (step * n) <= 7) || 10;
    ticks.replaceChildren();
    for (let ms = Math.ceil(view.begin / step) * step; ms <= view.end; ms += step) {
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      text.setAttribute("x", `${Math.min(percent(ms), 100)}%`);
      text.setAttribute("y", "14");
      text.textContent = step < 100 ? (ms / 1000).toFixed(3) : clock(ms).replace(/\.0$/, "");
      ticks.append(text);
    }
  }

  /* The outline of a row is its upper line, then its lower line backwards. */
  const outlines = new Map();
  function rates(svg, ms) {
    if (!outlines.has(svg)) {
      const outline = svg.querySelector(".band").getAttribute("d").slice(1, -1);
      outlines.set(svg, outline.split("L").map((pair) => pair.split(",").map(Number)));
    }
    const points = outlines.get(svg), half = points.length / 2, x = ms * 10000 / whole;
    let low = 0, high = half - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < x) low = middle + 1; else high = middle;
    }
    const full = Number(svg.dataset.full) / 100;
    return [points[points.length - 1 - low][1], points[low][1]].map((y) => (100 - y) * full);
  }

  function point(ms) {
    at = Math.max(view.begin, Math.min(view.end, ms));
    cursor.hidden = false;
    cursor.style.left = `${percent(at)}%`;
    svgs.filter((svg) => svg.classList.contains("flow")).forEach((svg, row) => {
      const [least, most] = rates(svg, at);
      outputs[row].textContent = amount(least) === amount(most) ? amount(most) : `${amount(least)} – ${amount(most)}`;
    });
    readout.textContent = [clock(at), ...happening(at)].join(" · ");
  }

  function happening(ms) {
    const path = moments.paths.find(([, begin, end]) => begin <= ms && ms < end);
    const said = path ? [`path ${path[0]}`] : [];
    for (const one of moments.cases.filter((c) => c.begin <= ms && ms <= c.end)) {
      const phases = one.spans.filter(([, begin, end]) => begin <= ms && ms <= end).map(([name]) => name);
      said.push(`case ${one.name} (${one.verdict})${phases.length ? ": " + phases.join(", ") : ""}`);
    }
    return said;
  }

  const zoom = (factor) => {
    const middle = at === null ? (view.begin + view.end) / 2 : at, length = (view.end - view.begin) * factor;
    show(middle - length / 2, middle + length / 2);
  };
  const pan = (share) => {
    const by = (view.end - view.begin) * share;
    show(view.begin + by, view.end + by);
  };
  const step = (share) => {
    const by = (view.end - view.begin) * share, next = (at === null ? view.begin : at) + by;
    if (next < view.begin || next > view.end) pan(share * 10);
    point(Math.max(0, Math.min(whole, next)));
  };
  const acts = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.5), right: () => pan(0.5), all: () => show(0, whole),
  };
  const keys = {
    "+": acts.in, "=": acts.in, "-": acts.out, "−": acts.out, Home: acts.all,
    ArrowLeft: () => step(-0.01), ArrowRight: () => step(0.01), PageUp: acts.left, PageDown: acts.right,
  };
  figure.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", acts[button.dataset.zoom]));
  drawings.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });

  const timeOf = (event) => {
    const box = drawings.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    return view.begin + share * (view.end - view.begin);
  };
  drawings.addEventListener("pointerdown", (event) => { if (event.button === 0) dragFrom = timeOf(event); });
  drawings.addEventListener("pointermove", (event) => {
    point(timeOf(event));
    if (dragFrom === null) return;
    const [begin, end] = [dragFrom, at].sort((a, b) => a - b);
    selection.hidden = false;
    selection.style.left = `${percent(begin)}%`;
    selection.style.width = `${percent(end) - percent(begin)}%`;
  });
  window.addEventListener("pointerup", (event) => {
    if (dragFrom === null) return;
    const [begin, end] = [dragFrom, timeOf(event)].sort((a, b) => a - b);
    dragFrom = null;
    selection.hidden = true;
    if (percent(end) - percent(begin) > 1) show(begin, end);
  });
  drawings.addEventListener("dblclick", acts.all);

  return {
    /* Show one case with a little around it; false when it is not of this leg. */
    locate(id) {
      const one = moments.cases.find((c) => c.id === id);
      if (!one) return false;
      const margin = Math.max(300, (one.end - one.begin) * 0.3);
      show(one.begin - margin, one.end + margin);
      figure.scrollIntoView({ block: "center" });
      drawings.focus({ preventScroll: true });
      point(one.begin);
      return true;
    },
  };
}
