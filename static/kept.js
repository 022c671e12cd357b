// A form that came after its session had ended goes back onto its own page, filled as it was.
// Without this, the page lists what was filled in, and sends it.
(() => {
  "use strict";
  const kept = document.getElementById("kept");
  if (!kept) return;
  const path = (form) => new URL(form.getAttribute("action") || "", new URL(kept.dataset.page, location.href)).pathname;
  const fill = (form) => {
    const values = new Map();
    for (const field of kept.querySelectorAll("input[type=hidden]")) {
      if (field.name === "csrf") continue;
      values.set(field.name, [...(values.get(field.name) || []), field.value]);
    }
    for (const field of form.elements) {
      const left = values.get(field.name);
      if (!field.name || field.name === "csrf" || field.type === "password") continue;
      if (field.type === "checkbox" || field.type === "radio") {
        const at = left ? left.indexOf(field.value) : -1;
        field.checked = at >= 0;
        if (at >= 0) left.splice(at, 1);
      } else if (left && left.length) field.value = left.shift();
    }
    // What the page has no field for, such as added rows, is sent along.
    for (const [name, left] of values) {
      for (const value of left) {
        const field = document.createElement("input");
        Object.assign(field, { type: "hidden", name, value });
        form.append(field);
      }
    }
    for (let around = form.parentElement; around; around = around.parentElement) {
      if (around.tagName === "DETAILS") around.open = true;
    }
    const note = document.createElement("p");
    note.className = "flash t-warn";
    note.setAttribute("role", "status");
    note.textContent = "Your session had ended, so nothing was done. The form is as you filled it, without passwords and secrets: check it and send it.";
    form.prepend(note);
    note.scrollIntoView({ block: "center" });
  };
  fetch(kept.dataset.page, { headers: { accept: "text/html" } })
    .then((answer) => (answer.ok ? answer.text() : ""))
    .then((text) => {
      const page = new DOMParser().parseFromString(text, "text/html");
      const action = new URL(kept.action).pathname;
      const form = [...page.querySelectorAll("form[method=post]")].find((one) => path(one) === action);
      // Values that the page sets itself, such as the commit of a shown plan, must be the same.
      const decided = (field) => field.type === "hidden" && !["csrf", "request_key"].includes(field.name);
      const sent = new FormData(kept);
      const same = (field) => !sent.has(field.name) || sent.getAll(field.name).includes(field.value);
      if (!form || ![...form.elements].filter(decided).every(same)) return;
      document.getElementById("main").replaceWith(document.adoptNode(page.getElementById("main")));
      document.title = page.title;
      history.replaceState(null, "", kept.dataset.page);
      fill(form);
      if (window.htmx) window.htmx.process(document.getElementById("main"));
    })
    .catch(() => {});
})();
