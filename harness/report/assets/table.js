/* A long table: sorted by its heads, filtered by a form, filled with its later rows when they are needed. */
function makeTable(table, later, all, form) {
  const heads = [...table.tHead.rows[0].cells];
  const tally = form && form.querySelector(".tally");

  function fill() {
    if (!later || !later.textContent) return;
    const rest = document.createElement("template");
    rest.innerHTML = later.textContent;
    later.textContent = "";
    table.append(...rest.content.firstElementChild.tBodies);
    if (all) all.hidden = true;
  }

  const value = (body, column) => {
    const cell = body.rows[0].cells[column], given = cell.dataset.v;
    if (given === "") return null;
    const text = given === undefined ? cell.textContent.trim() : given;
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));

  /* What was not measured stays at the end, whichever way the table is sorted. */
  function sort(column, direction) {
    fill();
    const keyed = [...table.tBodies].map((body) => [value(body, column), body]);
    keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : direction * compare(a, b)));
    table.append(...keyed.map(([, body]) => body));
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  }
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const numbers = head.classList.contains("n"), now = head.getAttribute("aria-sort");
    sort(column, now ? (now === "ascending" ? -1 : 1) : numbers ? -1 : 1);
  }));
  if (all) all.addEventListener("click", fill);

  function filter() {
    fill();
    const wanted = Object.fromEntries(new FormData(form)), words = wanted.text.trim().toLowerCase();
    let shown = 0;
    for (const body of table.tBodies) {
      const data = body.dataset;
      const fits = ["verdict", "leg", "scenario"].every((key) => !wanted[key] || data[key] === wanted[key])
        && (!wanted.modes || data.modes.includes(`|${wanted.modes}|`))
        && (!words || body.textContent.toLowerCase().includes(words));
      body.hidden = !fits;
      shown += fits;
    }
    tally.textContent = `${shown} of ${table.tBodies.length} cases`;
  }
  if (form) {
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.reset();
  }
  return { fill };
}
