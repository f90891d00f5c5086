"use strict";
// Search, order, pages and details of the lines. Every text becomes a text node: nothing here makes markup from data.
(() => {
  const element = document.getElementById("data");
  const body = document.getElementById("lines-body");
  if (!element || !body) return;
  const { lines, texts, actions, rows: perPage } = JSON.parse(element.textContent);
  const ACTION = 0, UNIT = 2, CODE = 3, AMOUNT = 6, TEXT = 7, NOTE = 8, DETAILS = 9, TERMS = 10;
  // On paper all lines that were found are printed, unless that would be a book.
  const MOST_ON_PAPER = 1500;
  const table = document.getElementById("lines-table");
  const search = document.getElementById("search");
  const chosen = document.getElementById("action");
  const found = document.getElementById("found");
  const announced = document.getElementById("announced");
  const pages = document.getElementById("pages");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  const count = new Intl.NumberFormat("en-US");
  const state = { order: lines.map((_, index) => index), shown: [], page: 0, column: -1, down: false, open: new Set() };

  const money = (cents) => {
    const digits = String(Math.abs(cents)).padStart(3, "0");
    return (cents < 0 ? "-$" : "$") + count.format(Number(digits.slice(0, -2))) + "." + digits.slice(-2);
  };
  const make = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  // What stands between backticks is a command.
  const sentence = (name, text, className) => {
    const made = make(name, undefined, className);
    const parts = text.split("`");
    if (parts.length % 2 === 0) made.textContent = text;
    else parts.forEach((part, index) => made.append(index % 2 ? make("code", part) : part));
    return made;
  };
  const plural = (number, word) => `${count.format(number)} ${word}${number === 1 ? "" : "s"}`;

  // --- what is found, and in which order ------------------------------------------------------------------------

  let haystacks;
  const haystack = (index) => {
    haystacks ||= new Array(lines.length);
    if (haystacks[index] === undefined) {
      const line = lines[index];
      const words = [actions[line[ACTION]][2], line[AMOUNT] === null ? "no amount" : money(line[AMOUNT])];
      for (let column = 1; column <= NOTE; column++) if (column !== AMOUNT) words.push(texts[line[column]]);
      for (let pair = 1; pair < line[DETAILS].length; pair += 2) words.push(texts[line[DETAILS][pair]]);
      haystacks[index] = words.join("\n").toLowerCase();
    }
    return haystacks[index];
  };

  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const ranks = new Map();
  // Texts are compared once each; then lines are ordered by numbers.
  const rankOf = (column) => {
    if (column === ACTION || column === AMOUNT) return null;
    if (!ranks.has(column)) {
      const used = [...new Set(lines.map((line) => line[column]))];
      used.sort((a, b) => collator.compare(texts[a], texts[b]));
      ranks.set(column, new Map(used.map((text, rank) => [text, rank])));
    }
    return ranks.get(column);
  };
  const sorted = (column, down) => {
    const order = lines.map((_, index) => index);
    if (column < 0) return order;
    const rank = rankOf(column);
    const value = (index) => {
      const cell = lines[index][column];
      return rank ? rank.get(cell) : cell === null ? -Infinity : cell;
    };
    const values = order.map(value);
    const sign = down ? -1 : 1;
    return order.sort((a, b) => sign * (values[a] === values[b] ? 0 : values[a] < values[b] ? -1 : 1) || a - b);
  };

  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const action = chosen.value;
    state.shown = state.order.filter((index) => {
      // Households without a line answer a question; unasked they would bury the lines.
      if (action === "" && !words.length && actions[lines[index][ACTION]][0] === "skip") return false;
      if (action !== "" && String(lines[index][ACTION]) !== action) return false;
      if (!words.length) return true;
      const text = haystack(index);
      return words.every((word) => text.includes(word));
    });
    state.page = 0;
  };

  // --- what is seen ---------------------------------------------------------------------------------------------

  const detailRow = (index, id) => {
    const line = lines[index];
    const row = make("tr", undefined, "detail");
    row.id = id;
    const cell = make("td");
    cell.colSpan = 8;
    const both = make("div", undefined, "both");
    const terms = line[TERMS].map((number) => texts[number]);
    if (terms.length) {
      const reckoned = make("table");
      reckoned.append(make("caption", "How the amount is reckoned"));
      const head = make("tr");
      for (const [name, className] of [["Step"], ["Exact", "money"], ["Rounded", "money"]]) {
        const title = make("th", name, className);
        title.scope = "col";
        head.append(title);
      }
      const top = make("thead"), rest = make("tbody");
      top.append(head);
      for (let term = 0; term < terms.length; term += 3) {
        const step = make("tr"), name = make("th", terms[term]);
        name.scope = "row";
        step.append(name, make("td", terms[term + 1], "money"), make("td", terms[term + 2], "money"));
        rest.append(step);
      }
      reckoned.append(top, rest);
      both.append(reckoned);
    }
    const facts = make("dl");
    const pairs = line[DETAILS].map((number) => texts[number]);
    // What a narrow window has no column for.
    for (const [name, column] of [["Property", 1], ["Charge", 4], ["Date", 5]]) {
      facts.append(make("dt", name, "folded"), make("dd", texts[line[column]], "folded"));
    }
    for (let pair = 0; pair < pairs.length; pair += 2) facts.append(make("dt", pairs[pair]), sentence("dd", pairs[pair + 1]));
    both.append(facts);
    cell.append(both);
    row.append(cell);
    return row;
  };

  const lineRows = (index) => {
    const line = lines[index];
    const [action, sign, word] = actions[line[ACTION]];
    const text = (column) => texts[line[column]];
    const row = make("tr");
    const button = make("button", undefined, "more");
    button.type = "button";
    const status = make("span", undefined, `status ${action}`);
    const mark = make("span", sign);
    mark.setAttribute("aria-hidden", "true");
    status.append(mark, ` ${word}`);
    button.append(status, make("span", `, details of unit ${text(UNIT)}, ${text(CODE)}`, "hidden"));
    const first = make("td");
    first.append(button);
    const unit = make("th", text(UNIT));
    unit.scope = "row";
    const amount = make("td", line[AMOUNT] === null ? undefined : money(line[AMOUNT]), "money");
    if (line[AMOUNT] === null) amount.append(make("span", action === "skip" ? "–" : "no amount", "quiet"));
    const last = make("td", text(TEXT));
    if (text(NOTE)) last.append(" ", sentence("span", text(NOTE), "note"));
    row.append(first, make("td", text(1), "property"), unit, make("td", text(3)), make("td", text(4)), make("td", text(5), "date"), amount, last);
    const id = `line-${index}`;
    const open = state.open.has(index);
    button.setAttribute("aria-expanded", String(open));
    button.dataset.line = String(index);
    if (!open) return [row];
    row.className = "open";
    button.setAttribute("aria-controls", id);
    return [row, detailRow(index, id)];
  };

  const fill = (indexes) => {
    const rows = document.createDocumentFragment();
    for (const index of indexes) rows.append(...lineRows(index));
    body.replaceChildren(rows);
  };

  const show = () => {
    const last = Math.max(0, Math.ceil(state.shown.length / perPage) - 1);
    state.page = Math.min(state.page, last);
    const from = state.page * perPage;
    const here = state.shown.slice(from, from + perPage);
    fill(here);
    const sum = state.shown.reduce((cents, index) => cents + (lines[index][AMOUNT] || 0), 0);
    found.textContent = `${plural(state.shown.length, "line")}, ${money(sum)}`;
    pages.hidden = last === 0;
    document.getElementById("page").textContent = `${count.format(from + 1)}–${count.format(from + here.length)} of ${count.format(state.shown.length)}`;
    previous.setAttribute("aria-disabled", String(state.page === 0));
    next.setAttribute("aria-disabled", String(state.page === last));
  };

  // Said once a person has stopped typing, not at every letter.
  let waiting;
  const announce = (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { announced.textContent = text; }, 250);
  };

  // --- what a person does ---------------------------------------------------------------------------------------

  const searched = () => {
    find();
    show();
    announce(state.shown.length ? `${found.textContent} found` : "No line found");
  };
  search.addEventListener("input", searched);
  chosen.addEventListener("change", searched);

  const turn = (by) => (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") === "true") return;
    state.page += by;
    show();
    announce(`Lines ${document.getElementById("page").textContent}`);
    table.scrollIntoView({ block: "start" });
  };
  previous.addEventListener("click", turn(-1));
  next.addEventListener("click", turn(1));

  body.addEventListener("click", (event) => {
    const button = event.target.closest("button.more");
    if (!button) return;
    const index = Number(button.dataset.line);
    const row = button.closest("tr");
    if (state.open.delete(index)) {
      row.nextElementSibling.remove();
      row.className = "";
      button.removeAttribute("aria-controls");
    } else {
      state.open.add(index);
      row.after(detailRow(index, `line-${index}`));
      row.className = "open";
      button.setAttribute("aria-controls", `line-${index}`);
    }
    button.setAttribute("aria-expanded", String(state.open.has(index)));
  });

  // A column's button goes from up to down to the plan's own order.
  const heads = [...table.tHead.rows[0].cells];
  const choose = (column, name) => {
    if (state.column !== column) [state.column, state.down] = [column, false];
    else if (!state.down) state.down = true;
    else [state.column, state.down] = [-1, false];
    state.order = sorted(state.column, state.down);
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    const order = state.down ? "descending" : "ascending";
    if (state.column >= 0) heads[column].setAttribute("aria-sort", order);
    find();
    show();
    announce(state.column < 0 ? "In the plan's order" : `Sorted by ${name}, ${order}`);
  };
  for (const head of heads) {
    const name = head.textContent;
    const button = make("button", name);
    button.type = "button";
    button.addEventListener("click", () => choose(Number(head.dataset.column), name));
    head.replaceChildren(button);
  }

  const used = new Map();
  for (const line of lines) used.set(line[ACTION], (used.get(line[ACTION]) || 0) + 1);
  actions.forEach(([, , word], index) => {
    if (!used.has(index)) return;
    const option = make("option", `${word} (${count.format(used.get(index))})`);
    option.value = String(index);
    chosen.append(option);
  });

  addEventListener("beforeprint", () => {
    const whole = state.shown.length <= MOST_ON_PAPER;
    if (whole) fill(state.shown);
    const said = whole ? "" : `Printed are the lines of one page out of ${plural(state.shown.length, "line")} that were found. Search for fewer than ${count.format(MOST_ON_PAPER)} to print all of them.`;
    document.getElementById("printed").textContent = said;
  });
  addEventListener("afterprint", show);

  document.querySelectorAll(".without-script").forEach((each) => each.remove());
  document.getElementById("tools").hidden = false;
  find();
  show();
  document.documentElement.dataset.ready = "true";
})();
