// What the buttons do, and the panel that shows the living coroutines. No library, no build.

"use strict";

const find = (selector, from = document) => from.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const number = new Intl.NumberFormat("en");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Makes an element; text is never taken for HTML. */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

let requests = 0;
function ask(path) {
  find("#fact-requests").textContent = number.format(++requests);
  return fetch(path, { cache: "no-store" });
}

// The cards.

/** A card whose handler answers with bars: a row a page, on one scale. */
async function timeline(card, result) {
  const response = await ask(`/run/${card.id}`);
  const { took_ms: took, bars } = await response.json();
  // A list gives an array, a map an object: in JSON too, the result has the shape of what was yielded.
  const named = Array.isArray(bars)
    ? bars.map((bar) => ({ name: bar.page, ...bar }))
    : Object.keys(bars).sort().map((name) => ({ name, ...bars[name] }));
  const sum = named.reduce((total, bar) => total + bar.to_ms - bar.from_ms, 0);
  const percent = (ms) => `${(100 * ms) / Math.max(took, 1)}%`;

  const rows = new Map();
  for (const bar of named) {
    if (!rows.has(bar.name)) rows.set(bar.name, element("div", `track colour-${(rows.size % 5) + 1}`));
    const drawn = element("span", "bar");
    drawn.style.left = percent(bar.from_ms);
    drawn.style.width = percent(bar.to_ms - bar.from_ms);
    drawn.title = `${bar.page}: from ${bar.from_ms} to ${bar.to_ms} ms`;
    rows.get(bar.name).append(drawn);
  }
  const drawn = [...rows].map(([name, track]) => element("div", "row", element("span", "", name), track));
  const faster = (sum / Math.max(took, 1)).toFixed(1);
  result.append(
    element("p", "big", `${number.format(took)} ms `, element("small", "", `instead of ${number.format(sum)} ms`)),
    element("div", "rows", ...drawn),
    element("div", "axis", element("span", "", "0"), element("span", "", `${number.format(took)} ms`)),
    element("p", "note", `${faster} times as fast as one after the other.`),
  );
}

/** A card whose handler streams: each chunk is shown when it comes. */
async function stream(card, result) {
  const count = element("p", "big", "0 ", element("small", "", "chunks"));
  const ticks = element("div", "ticks", ...Array.from({ length: 10 }, () => element("i")));
  const lines = element("div", "lines");
  result.append(count, ticks, lines);

  const response = await ask(`/run/${card.id}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let received = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    for (const line of value.trimEnd().split("\n")) {
      ticks.children[received]?.classList.add("on");
      count.firstChild.data = `${++received} `;
      lines.append(`${line}\n`);
    }
  }
}

/** A card whose handler fails: shows how, and that the server lives on. */
async function failure(card, result) {
  const response = await ask(`/run/${card.id}`);
  result.append(step(response, `/run/${card.id}`, "The answer says no more than that."));
  const began = performance.now();
  const ping = await ask("/ping");
  const took = Math.round(performance.now() - began);
  result.append(
    step(ping, "/ping", `“${await ping.json()}” after ${took} ms: the server goes on.`),
    element("p", "note", "The coroutine traceback is in the server’s log: each yield that it came through, with file and line."),
  );
}

function step(response, path, text) {
  const badge = element("span", `badge ${response.ok ? "good" : "bad"}`, `${response.status}`);
  const asked = element("code", "", `GET ${path}`);
  return element("div", "step", badge, asked, element("p", "", text));
}

const kinds = { timeline, stream, failure };

async function run(card) {
  const button = find(".run", card);
  const result = find(".result", card);
  if (button.disabled) return;
  button.disabled = true;
  button.textContent = "Running";
  result.replaceChildren();
  result.ariaBusy = "true";
  wait(120).then(showLive);
  try {
    await kinds[button.dataset.run](card, result);
  } catch (error) {
    result.replaceChildren(element("p", "note", `No answer: ${error.message}. Does the server run?`));
  }
  result.ariaBusy = "false";
  button.textContent = "Again";
  button.disabled = false;
}

// The living coroutines.

const known = new Set();

async function showLive() {
  const pulse = find("#pulse");
  try {
    const { count, roots } = await (await fetch("/live", { cache: "no-store" })).json();
    find("#fact-alive").textContent = number.format(count);
    find("#tree").replaceChildren(branch(roots));
    pulse.classList.remove("beat", "lost");
    void pulse.offsetWidth; // Lets the animation begin anew.
    pulse.classList.add("beat");
  } catch {
    pulse.classList.add("lost");
  }
}

/** What a coroutine and all under it look like: two that look the same are drawn as one. */
const looks = (node) => `${node.name} ${node.place} (${node.children.map(looks).sort()})`;

/** A list of coroutines, each with its number if there are several of its looks. */
function branch(nodes) {
  const groups = new Map();
  for (const node of nodes) groups.set(looks(node), [...(groups.get(looks(node)) ?? []), node]);
  return element("ul", "", ...[...groups.values()].map(leaf));
}

function leaf(group) {
  const [node] = group;
  const who = element("div", "who", element("span", "", node.name));
  if (group.length > 1) who.append(element("span", "times", `× ${group.length}`));
  const resumes = group.reduce((sum, one) => sum + one.resumes, 0);
  const counter = element("span", "resumes", `↻ ${number.format(resumes)}`);
  counter.title = `resumed ${number.format(resumes)} times`;
  who.append(counter);
  const where = element("div", "where", `${node.place} `, element("b", "", node.expression ?? "running"));
  where.title = `${node.place}: ${node.expression ?? "running"}, for ${number.format(node.since_ms)} ms`;
  const item = element("li", known.has(node.name) ? "" : "fresh", who, where);
  known.add(node.name);
  const children = group.flatMap((one) => one.children);
  if (children.length) item.append(branch(children));
  return item;
}

async function keepLooking() {
  for (;;) {
    if (!document.hidden) await showLive();
    await wait(1000);
  }
}

// Colours for the source: good enough for these excerpts.

const TOKENS = new RegExp(
  [
    /(?<c>\/\/[^\n]*)/,
    /(?<s>"[^"\n]*")/,
    /(?<m>\b(?:yield_|vec|format)!|#\[[^\]]*\])/,
    /(?<k>\b(?:fn|let|mut|for|in|impl|self|static|struct|usize|u32|u64|str|Ok|Result|Vec|HashMap)\b|&)/,
    /(?<n>\b\d+\b)/,
  ].map((token) => token.source).join("|"),
  "g",
);

function colour(code) {
  const text = code.textContent;
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKENS)) {
    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
    parts.push(text.slice(end, match.index), element("span", kind, match[0]));
    end = match.index + match[0].length;
  }
  code.replaceChildren(...parts, text.slice(end));
}

// Begin.

all(".source code").forEach(colour);
all(".card").forEach((card) => find(".run", card).addEventListener("click", () => run(card)));
find("#run-all").addEventListener("click", () => all(".card").forEach(run));
keepLooking();
if (new URLSearchParams(location.search).get("demo") === "all") find("#run-all").click();
