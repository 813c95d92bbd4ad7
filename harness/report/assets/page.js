/* What joins the parts: unfolding, copying, and links to a case that is not in the page yet. */
(function page() {
  const byId = (id) => document.getElementById(id);
  document.documentElement.classList.remove("no-script");
  const charts = [...document.querySelectorAll(".chart")].map(makeChart);
  const tables = new Map([...document.querySelectorAll(".sortable")].map((table) => {
    const name = table.id.replace("-table", "");
    const form = document.querySelector(`[aria-controls="${table.id}"]`);
    return [name, makeTable(table, byId(`later-${name}`), byId(`all-${name}`), form)];
  }));

  function unfold(button, open) {
    button.setAttribute("aria-expanded", String(open));
    byId(button.getAttribute("aria-controls")).hidden = !open;
  }

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "copied";
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches(".unfold")) unfold(button, button.getAttribute("aria-expanded") !== "true");
    if (button.matches(".copy")) copy(button);
    if (button.matches(".locate")) charts.some((chart) => chart.locate(button.dataset.case));
  });

  function follow() {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!/^(grants|control)-\d+$/.test(id)) return;
    tables.get("cases").fill();
    const body = byId(id);
    if (!body) return;
    body.hidden = false;
    unfold(body.querySelector(".unfold"), true);
    body.scrollIntoView({ block: "center" });
  }
  window.addEventListener("hashchange", follow);
  follow();
})();
