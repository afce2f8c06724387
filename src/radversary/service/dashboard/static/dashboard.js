// What pages do in a browser beside htmx: the session's word on every request, dropped films, uploads, trends.
"use strict";
(() => {
  const body = document.body, word = () => body.dataset.csrf || "";
  document.documentElement.classList.add("scripted");
  body.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRF"] = word(); });
  const alerts = (text) => {
    const box = document.getElementById("alerts"), item = document.createElement("div"), line = document.createElement("p");
    line.textContent = text; item.className = "alert"; item.append(line); box.replaceChildren(item);
    box.scrollIntoView({block: "nearest"});
  };
  body.addEventListener("htmx:sendError", (event) => {
    if (!event.target.closest("[data-quiet]")) alerts("The server does not answer. What you entered is still here; try again.");
  });
  body.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.target.closest("[data-quiet], section")) document.getElementById("alerts").replaceChildren();
  });

  // A job that is followed: the log keeps to its end, and the page is loaded anew when the job has ended.
  body.addEventListener("htmx:sseMessage", (event) => {
    const list = event.target.closest("[data-follow]");
    if (list) list.scrollTop = list.scrollHeight;
  });
  body.addEventListener("htmx:sseClose", (event) => {
    if (event.target.closest("[data-live]") && event.detail.type === "message") location.reload();
  });

  // Films that are dropped or chosen: sent as the body, one after the other; their names stay here.
  const judge = async (zone, film) => {
    zone.classList.add("busy-now");
    document.getElementById("verdict").textContent = "The film is being judged…";
    try {
      const answer = await fetch(zone.dataset.drop, {method: "POST", body: film, headers: {"X-CSRF": word(), "HX-Request": "true"}});
      if (answer.headers.get("HX-Redirect")) { location.assign(answer.headers.get("HX-Redirect")); return; }
      const text = await answer.text();
      document.getElementById(answer.ok ? "verdict" : "alerts").innerHTML = text;
      document.getElementById(answer.ok ? "alerts" : "verdict").replaceChildren();
      if (answer.ok) htmx.trigger(body, "judged");
    } catch { document.getElementById("verdict").replaceChildren(); alerts("The server does not answer; try again."); }
    zone.classList.remove("busy-now");
  };
  const several = async (zone, films) => { for (const film of films) await judge(zone, film); };

  // A file that is chosen for a form: sent at once, and its path put into the form's field.
  const keep = (field, file) => {
    const input = document.getElementById(field.dataset.upload), bar = field.querySelector("progress");
    const said = field.querySelector("[role=status]"), sent = new XMLHttpRequest();
    const name = file.name.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(-120) || "upload";
    sent.open("POST", "/uploads/" + encodeURIComponent(name));
    sent.setRequestHeader("X-CSRF", word()); sent.setRequestHeader("Accept", "application/json");
    bar.hidden = false; said.textContent = "The file is being sent…";
    sent.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
    sent.addEventListener("loadend", () => {
      let answer = {};
      try { answer = JSON.parse(sent.responseText); } catch { answer = {}; }
      bar.hidden = true;
      if (sent.status === 201) { input.value = answer.path; said.textContent = field.dataset.sent; }
      else said.textContent = answer.detail || "The server does not answer; try again.";
    });
    sent.send(file);
  };

  // Trends: pairs of a time in seconds and a score, as the audits' reports have them.
  const trend = (place) => {
    const pairs = JSON.parse(place.dataset.chart), style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--muted"), accent = style.getPropertyValue("--accent"), rule = style.getPropertyValue("--rule");
    const small = "small" in place.dataset, axis = {stroke: ink, grid: {stroke: rule, width: 1}, ticks: {stroke: rule}, show: !small};
    new uPlot({width: place.clientWidth, height: place.clientHeight - (small ? 0 : 30), cursor: {show: !small}, legend: {show: !small},
      scales: {y: {range: [0, 100]}}, axes: [axis, axis],
      series: [{label: "audit"}, {label: "score", stroke: accent, width: 2, points: {show: true, size: 6, fill: accent}}]},
    [pairs.map((pair) => pair[0]), pairs.map((pair) => pair[1])], place);
  };

  // Alarm rates over time in per cent, with their interval as a band, beside what was promised and its bound.
  const rates = (place) => {
    const given = JSON.parse(place.dataset.rates), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name), hundred = (column) => column.map((share) => 100 * share);
    const axis = {stroke: colour("--muted"), grid: {stroke: colour("--rule"), width: 1}, ticks: {stroke: colour("--rule")}};
    const value = hundred(given.value), level = (share) => value.map(() => 100 * share);
    const top = Math.min(100, Math.max(200 * given.bound, 1.25 * Math.max(...value)));
    const percent = (_, shown) => shown === null ? "–" : `${shown.toFixed(1)} %`, none = {points: {show: false}, value: percent};
    new uPlot({width: place.clientWidth, height: 260, scales: {y: {range: [0, top]}},
      axes: [axis, {...axis, values: (_, ticks) => ticks.map((tick) => `${tick} %`)}], bands: [{series: [2, 1], fill: colour("--rule")}],
      series: [{label: "since"}, {...none, label: "interval from"}, {...none, label: "to"}, {label: "alarms", stroke: colour("--accent"), width: 2, points: {show: true, size: 5, fill: colour("--accent")}, value: percent},
        {...none, label: "promised", stroke: colour("--good"), width: 2, dash: [8, 5]}, {...none, label: "bound", stroke: colour("--bad"), width: 2, dash: [2, 4]}]},
    [given.times, hundred(given.low), hundred(given.high), value, level(given.promised), level(given.bound)], place);
  };

  const begin = (root) => {
    for (const zone of root.querySelectorAll("[data-drop]")) {
      const input = zone.querySelector("input[type=file]");
      for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
      for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
      zone.addEventListener("drop", (event) => { event.preventDefault(); several(zone, [...event.dataTransfer.files]); });
      input.addEventListener("change", () => { several(zone, [...input.files]).then(() => { input.value = ""; }); });
    }
    for (const field of root.querySelectorAll("[data-upload]")) {
      field.hidden = false;
      field.querySelector("input").addEventListener("change", (event) => { if (event.target.files[0]) keep(field, event.target.files[0]); });
    }
    for (const blend of root.querySelectorAll("[data-blend]")) {
      const over = blend.querySelector(".over"), range = blend.querySelector("input");
      range.addEventListener("input", () => { over.style.opacity = range.value / 100; });
    }
    root.querySelectorAll("[data-chart]").forEach(trend);
    root.querySelectorAll("[data-rates]").forEach(rates);
  };
  const button = document.querySelector(".menu-button");
  if (button) button.addEventListener("click", () => {
    const open = document.getElementById("menu").classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });
  begin(document);
  body.addEventListener("htmx:afterSwap", (event) => { if (event.target.id === "content") begin(event.target); });
})();
