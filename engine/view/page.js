// The page: its sections, from the data that it holds.

const data = JSON.parse(document.getElementById("data").textContent);

function table(section) {
  const columns = section.columns;
  // Texts that read as numbers, such as 63.1 %, are aligned and sorted as such.
  const value = (cell) => {
    if (typeof cell === "string") return /^-$/.test(cell) ? null : /^[-−]?\d[\d.]*( ?%)?( [([].*)?$/.test(cell) ? parseFloat(cell.replace("−", "-")) : cell;
    return cell !== null && typeof cell === "object" ? cell.value : cell;
  };
  const numeric = columns.map((_, i) => section.rows.some((row) => typeof value(row[i]) === "number"));
  const cell = (content, i) => {
    const column = columns[i];
    if (content === null) return h("td", { class: "number muted" }, "–");
    if (typeof content === "object") {
      const bare = { ...column, even: true, bare: true };
      return h("td", { class: "number" }, shown(content.value, { ...column, even: true }),
        h("span", { class: "interval" }, ` [${shown(content.low, bare)}, ${shown(content.high, bare)}]`));
    }
    if (typeof content === "number") return h("td", { class: "number" }, shown(content, { ...column, even: true }));
    return h(i ? "td" : "th", { class: numeric[i] ? "number" : null, scope: i ? null : "row" }, String(content));
  };
  const body = h("tbody", {}, section.rows.map((row) => h("tr", {}, row.map(cell))));
  const heads = columns.map((column, i) => h("th", { scope: "col", class: numeric[i] ? "number" : null },
    h("button", { type: "button", title: "sort", onclick: () => sort(i) }, column.name)));
  const sort = (by) => {
    const down = heads[by].getAttribute("aria-sort") !== "descending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[by].setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (i) => value(section.rows[i][by]);
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (down ? -1 : 1) * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    };
    const rows = section.rows.map((_, i) => i).sort(compare);
    body.replaceChildren(...rows.map((i) => h("tr", {}, section.rows[i].map(cell))));
  };
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": section.title || "table" },
    h("table", { class: "figures" }, h("thead", {}, h("tr", {}, heads)), body));
}

const KINDS = {
  text: (section) => section.text.split(/\n\s*\n/).map((part) => h("p", { class: "text" }, part)),
  facts: (section) => h("dl", { class: "facts" }, section.rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
  table,
  charts: (section) => h("div", { class: "charts" }, section.charts.map(chart)),
  episodes: (section) => reader(section),
};

const content = document.getElementById("content");
const contents = document.getElementById("contents");
data.sections.forEach((section, i) => {
  const id = `section-${i + 1}`;
  if (section.title) contents.append(h("a", { href: `#${id}` }, section.title));
  const inner = [KINDS[section.kind](section), section.note && h("p", { class: "note" }, section.note)];
  const body = section.folded ? h("details", {}, h("summary", {}, h("h2", {}, section.title)), inner) : [section.title && h("h2", {}, section.title), inner];
  content.append(h("section", { id, "aria-label": section.title }, body));
});
contents.addEventListener("click", (event) => {
  const folded = document.querySelector(`${event.target.hash || "nothing"} > details`);
  if (folded) folded.open = true;
});

// Light or dark follows the system until the reader chooses.
const dark = matchMedia("(prefers-color-scheme: dark)");
const button = document.getElementById("theme");
const theme = (name) => {
  document.documentElement.dataset.theme = name;
  button.textContent = name === "dark" ? "light" : "dark";
};
button.addEventListener("click", () => theme(button.textContent));
dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
theme(dark.matches ? "dark" : "light");
