"use strict";
// Where the time of an input goes: steps from the roofline to what LoadGen measures. Numbers are those of the rows.
(function (q) {
  const MICROSECONDS = 1e6;
  const LOST = "#c2790a";
  const GAINED = "#2f9e90";
  const time = (row, name) => (q.known(row, name) ? MICROSECONDS / row[name] : null);
  const layered = (row) => ["gap_layer_sum_ms", "gap_call_ms", "gap_unexplained_ms", "gap_system_ms"].every((name) => q.known(row, name));
  // Without measured layers a row counts only if each step is slower than the one before.
  const usable = (row) => {
    const times = ["predicted_throughput_ips", "compute_throughput_ips", "system_throughput_ips"].map((name) => time(row, name));
    if (layered(row)) return times[2] !== null;
    return times.every((each) => each !== null) && times[0] <= times[1] && times[1] <= times[2];
  };
  // [name, change in microseconds], from nothing to the figure of LoadGen.
  function changes(row) {
    const system = time(row, "system_throughput_ips");
    const compute = time(row, "compute_throughput_ips");
    const roof = time(row, "roofline_throughput_ips") ?? time(row, "predicted_throughput_ips");
    if (layered(row)) {
      const [layers, call, unexplained, rest] = ["layer_sum", "call", "unexplained", "system"].map((name) => (1e3 * row[`gap_${name}_ms`]) / (row.batch_size || 1));
      const first = roof === null ? [["layers", layers]] : [["roofline", roof], ["layers beyond it", layers - roof]];
      return [...first, ["call and borders", call], ["not explained", unexplained], ["lost in the system", rest]];
    }
    const predicted = time(row, "predicted_throughput_ips");
    const refined = predicted > roof * 1.001 ? [["calibrated prediction", predicted - roof]] : [];
    const base = refined.length ? predicted : roof;
    return [["roofline", roof], ...refined, ["lost in compute", compute - base], ["lost in the system", system - compute]];
  }
  function stepsOf(row) {
    let at = 0;
    const steps = changes(row).map(([name, change], place) => {
      const step = { id: row.id, mode: row.mode, name, from: Math.min(at, at + change), to: Math.max(at, at + change), change, kind: place === 0 ? "whole" : change < 0 ? "gained" : "lost" };
      at += change;
      return step;
    });
    return [...steps, { id: row.id, mode: row.mode, name: "LoadGen's figure", from: 0, to: at, change: at, kind: "whole" }];
  }
  q.gapChart = {
    id: "gap", title: "Where the time goes: from the roofline to LoadGen's figure",
    selects: () => [],
    draw: function (view, width) {
      const rows = view.visible.filter(usable);
      const explained = rows.filter(layered);
      const row = q.best(explained.length ? explained : rows, { ...view, rate: "system_throughput_ips" });
      if (!row) return null;
      const steps = stepsOf(row);
      const whole = steps[steps.length - 1].to;
      const text = (step) => `${q.shortNumber(step.change)} µs, ${q.number((100 * step.change) / whole, 2)} %`;
      const colour = (step) => ({ lost: LOST, gained: GAINED, whole: q.colour(row.sut) })[step.kind];
      return { rows: steps.map((step) => ({ id: row.id, mode: row.mode, sut: row.sut, step: step.name, time_us: step.change, share_percent: (100 * step.change) / whole })), columns: ["step", "time_us", "share_percent"],
        options: { ...q.base(width, 100 + 30 * steps.length), marginLeft: 150, marginRight: 110, x: { domain: [0, Math.max(...steps.map((step) => step.to)) * 1.05], ticks: Math.max(2, q.room(width) - 3), tickFormat: q.shortNumber, label: "time per input, µs" }, y: { label: null, domain: steps.map((step) => step.name) },
          marks: [Plot.barX(steps, { x1: "from", x2: "to", y: "name", fill: colour, fillOpacity: 0.85, title: (step) => `${step.name}: ${text(step)}`, tip: q.tipStyle() }), q.value(steps, { x: "to", y: "name", text, dx: 6 }), Plot.ruleX([0], { stroke: q.ink() })] },
        note: q.plain(q.name(row)) + ". " + (explained.length ? "Layers were measured one by one: what they do not explain may be negative." : "Without measured layers: `qutiperf microbench run --whole` splits the loss in compute."),
        alt: steps.map((step) => `${step.name}: ${q.shortNumber(step.change)} microseconds`).join("; ") };
    },
  };
})(window.qutiperf);
