// Draws each chart again with uPlot, from the values that its SVG was made of, so that a cursor can read them out.
// Without script the SVG stays; with it, it is still what a screen reader is told of.
(() => {
  const STROKES = {
    now: ["--now", 2.5], fail: ["--fail", 2.5], old1: ["--old-1", 1.5], old2: ["--old-2", 1.5, [7, 3]],
    old3: ["--old-2", 1.5, [2, 3]], cap: ["--now", 1, [3, 4]], dim: ["--old-2", 1.5],
  };
  // The canvas begins so far left of the plot: long marks of an axis.
  const NARROW = 720, WIDER = 16;
  const style = () => getComputedStyle(document.documentElement);
  const token = (name) => style().getPropertyValue(name).trim();

  const build = (figure) => {
    const values = JSON.parse(figure.querySelector("script.values").textContent);
    const plot = figure.querySelector(".plot"), box = plot.querySelector(".canvas");
    const stale = figure.classList.contains("stale");
    const padding = getComputedStyle(plot);
    const pad = (side) => parseFloat(padding.getPropertyValue(`padding-${side}`));
    const { x, y } = values;
    const inside = (name, value) => Math.min(values[name].high, Math.max(values[name].low, value));
    const at = (u, name, value) => u.valToPos(inside(name, value), name, true);
    const font = `${parseFloat(style().fontSize) * 0.857}px ${token("--sans")}`;
    const subject = values.lines[0]?.points || [];
    const ratio = devicePixelRatio;

    const rule = (ctx, colour, width, dash, x1, y1, x2, y2) => {
      ctx.strokeStyle = token(colour);
      ctx.lineWidth = width * ratio;
      ctx.setLineDash(dash.map((each) => each * ratio));
      ctx.beginPath();
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
      ctx.stroke();
    };
    const say = (ctx, words, left, top, colour, align, weight = "") => {
      ctx.font = weight + font.replace(/^[\d.]+/, (size) => size * ratio);
      ctx.fillStyle = token(colour);
      ctx.textAlign = align;
      ctx.textBaseline = "middle";
      ctx.fillText(words, left, top);
    };
    const behind = (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      if (values.band && values.band.points.length > 1) {
        const points = values.band.points;
        ctx.beginPath();
        for (const [when, , high] of points) ctx.lineTo(at(u, "x", when), at(u, "y", high));
        for (const [when, low] of points.slice().reverse()) ctx.lineTo(at(u, "x", when), at(u, "y", low));
        ctx.globalAlpha = values.band.fail ? 0.18 : 1;
        ctx.fillStyle = token(values.band.fail ? "--fail" : "--band");
        ctx.fill();
        ctx.globalAlpha = 1;
      }
      let before = -Infinity, row = 0;
      for (const [when, words, event] of values.marks) {
        const left = at(u, "x", when), end = left > bbox.left + bbox.width * 0.9;
        row = left - before < bbox.width * 0.12 ? 1 - row : 0;
        before = left;
        rule(ctx, event ? "--bad" : "--edge", 1, event ? [] : [2, 3], left, bbox.top, left, bbox.top + bbox.height);
        if (event) say(ctx, words, left, bbox.top - 15 * ratio, "--ink-2", "center");
        else say(ctx, words, left + (end ? -5 : 5) * ratio, bbox.top + (7 + 14 * row) * ratio, "--ink-2", end ? "right" : "left");
      }
      ctx.restore();
    };
    const above = (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      for (const [value, words, left] of values.bounds) {
        const top = at(u, "y", value);
        rule(ctx, "--bad", 1.5, [6, 4], bbox.left, top, bbox.left + bbox.width, top);
        say(ctx, words, left ? bbox.left + 6 * ratio : bbox.left + bbox.width - 4 * ratio, top - 8 * ratio, "--bad", left ? "left" : "right", "600 ");
      }
      const named = [];
      for (const each of values.lines.filter((line) => line.points.length && (line.end || line.dot))) {
        const [when, value] = each.points.at(-1);
        const left = at(u, "x", when), top = at(u, "y", value);
        const now = each.kind === "now";
        const turned = (now || each.kind === "fail") && left > bbox.left + bbox.width * 0.86;
        const low = top > bbox.top + bbox.height * 0.94;
        // Above the plot are the words of events.
        const under = turned && top < bbox.top + 12 * ratio;
        let height = top + (under ? 13 : turned || low ? -9 : 0) * ratio;
        for (const [bound] of values.bounds) {
          const line = at(u, "y", bound);
          if (Math.abs(height - line) < 8 * ratio) height = line - 9 * ratio;
        }
        for (const other of named) if (Math.abs(other[0] - left) < bbox.width * 0.12 && Math.abs(other[1] - height) < 12 * ratio) height = other[1] + (low ? -13 : 13) * ratio;
        named.push([left, height]);
        if (each.dot) {
          ctx.beginPath();
          ctx.arc(left, top, 4 * ratio, 0, 2 * Math.PI);
          ctx.setLineDash([]);
          ctx.fillStyle = token(stale ? "--old-1" : STROKES[each.kind][0]);
          ctx.strokeStyle = token("--surface");
          ctx.lineWidth = 2 * ratio;
          ctx.fill();
          ctx.stroke();
        }
        say(ctx, each.end, left + (turned ? -8 : 8) * ratio, height, now ? "--now" : "--ink-2", turned ? "right" : "left", now ? "600 " : "");
      }
      ctx.restore();
    };

    const order = values.lines.slice().reverse();
    const shown = (ticks) => ticks.filter((tick) => !tick[2] || innerWidth > NARROW);
    const axis = (side, ticks, size, gap, more) => ({
      side, size, gap, font, stroke: token("--ink-3"), ticks: { show: false },
      splits: () => shown(ticks).map((tick) => tick[0]), values: () => shown(ticks).map((tick) => tick[1]), ...more,
    });
    const chart = new uPlot({
      width: plot.clientWidth + WIDER,
      height: plot.clientHeight,
      padding: [pad("top"), pad("right"), 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false, range: () => [x.low, x.high] }, y: { range: () => [y.low, y.high] } },
      axes: [
        axis(2, x.ticks, pad("bottom"), 6, { grid: { show: false }, border: { show: true, stroke: token("--edge"), width: 1 } }),
        axis(3, y.ticks, pad("left") + WIDER, 8, { grid: { stroke: token("--grid"), width: 1 } }),
      ],
      series: [{}, ...order.map((each) => {
        const [colour, width, dash] = STROKES[each.kind];
        const old = stale && each.kind === "now";
        return { stroke: token(old ? "--old-1" : colour), width, dash: old ? [4, 3] : dash, spanGaps: true, points: { show: false } };
      })],
      hooks: { drawAxes: [behind], draw: [above], setCursor: [(u) => figure.dispatchEvent(new CustomEvent("cursor", { detail: u.cursor.left }))] },
    }, uPlot.join(order.map((each) => {
      // Two values at one moment are a step: uPlot takes one, so the later lies a hair behind.
      const seen = new Set();
      const moments = each.points.map(([when]) => { let at = when; while (seen.has(at)) at += (x.high - x.low) * 1e-6; seen.add(at); return at; });
      return [moments, each.points.map(([, value]) => inside("y", value))];
    })), box);
    return { chart, subject, readings: values.readings };
  };

  const draw = (figure) => {
    const plot = figure.querySelector(".plot");
    const box = document.createElement("div"), said = document.createElement("p");
    box.className = "canvas";
    box.setAttribute("aria-hidden", "true");
    said.className = "reading small";
    said.setAttribute("aria-live", "polite");
    plot.append(box, said);
    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", `${figure.querySelector("h3").textContent}. Arrow keys read its values.`);
    let drawn = build(figure), at = -1;
    plot.classList.add("drawn");

    const read = (index) => { at = index; said.textContent = drawn.readings[index] || ""; };
    figure.addEventListener("cursor", (event) => {
      if (event.detail < 0 || !drawn.subject.length) return read(-1);
      const value = drawn.chart.posToVal(event.detail, "x");
      let best = 0;
      drawn.subject.forEach(([when], n) => { if (Math.abs(when - value) < Math.abs(drawn.subject[best][0] - value)) best = n; });
      if (best !== at) read(best);
    });
    plot.addEventListener("keydown", (event) => {
      const last = drawn.subject.length - 1, step = event.shiftKey ? 10 : 1;
      const to = { ArrowRight: Math.min(last, at + step), ArrowLeft: at < 0 ? last : Math.max(0, at - step), Home: 0, End: last, Escape: -1 }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      const left = to < 0 ? -10 : drawn.chart.valToPos(drawn.subject[to][0], "x");
      drawn.chart.setCursor({ left, top: to < 0 ? -10 : 10 });
      read(to);
    });
    const again = () => {
      drawn.chart.destroy();
      drawn = build(figure);
      read(-1);
    };
    new ResizeObserver(again).observe(plot);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  };

  for (const figure of document.querySelectorAll("figure.chart")) if (figure.querySelector("script.values")) draw(figure);
})();
