// What HTML cannot do by itself. All of it is optional: every action works without it.
(() => {
  "use strict";
  const all = (selector, root = document) => root.querySelectorAll(selector);

  // Relative times keep counting while a page stays open.
  const ago = (then, now) => {
    const apart = Math.round((now - then) / 1000);
    const seconds = Math.abs(apart);
    let amount;
    if (seconds < 10) return "just now";
    if (seconds < 60) amount = `${seconds} s`;
    else if (seconds < 3600) amount = `${Math.floor(seconds / 60)} min`;
    else if (seconds < 172800) amount = `${Math.floor(seconds / 3600)} h`;
    else if (seconds < 1209600) amount = `${Math.floor(seconds / 86400)} days`;
    else return null;
    return apart < 0 ? `in ${amount}` : `${amount} ago`;
  };
  // The server's clock counts, not this computer's.
  const skew = Date.parse(document.documentElement.dataset.now) - Date.now() || 0;
  const tellTimes = () => {
    for (const time of all("time[data-ago]")) {
      const text = ago(Date.parse(time.dateTime), Date.now() + skew);
      if (text && time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(tellTimes, 20000);

  // Absolute times in the reader's own zone, which is named; UTC appears on hover and in print.
  const parts = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
  const local = (at) => {
    const part = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, value]));
    return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
  };
  const tellZone = () => {
    for (const time of all("time[data-at]")) {
      time.textContent = local(new Date(time.dateTime));
      time.toggleAttribute("data-local", time.textContent !== time.title);
    }
  };
  document.addEventListener("DOMContentLoaded", tellZone);
  document.addEventListener("htmx:after:swap", tellZone);

  // Pages that draw days and weeks do so by the reader's clock.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`deployer_zone=${zone}`)) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `deployer_zone=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
  }

  // How long something has been running.
  const took = (seconds) => {
    const two = (number) => String(number).padStart(2, "0");
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
  };
  setInterval(() => {
    for (const time of all("time[data-for]")) {
      time.textContent = took(Math.max(0, Math.round((Date.now() + skew - Date.parse(time.dateTime)) / 1000)));
    }
  }, 1000);

  // Colours change at once; the form keeps the choice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-theme-form]") || !event.submitter) return;
    event.preventDefault();
    const choice = event.submitter.value;
    const body = new URLSearchParams(new FormData(form, event.submitter));
    document.documentElement.dataset.bsTheme = choice;
    for (const button of all("button[name=theme]", form)) {
      button.setAttribute("aria-pressed", String(button.value === choice));
    }
    fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => {});
  });

  // A field that is being corrected is no longer marked as wrong.
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches("[aria-invalid]")) return;
    field.removeAttribute("aria-invalid");
    field.classList.remove("is-invalid");
    document.getElementById(`${field.id}-wrong`)?.remove();
  });

  // One press, one deployment: a form that is on its way cannot be sent again.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => all("button", form).forEach((button) => (button.disabled = true)), 0);
  });
  // Coming back by the Back button, the form may be used again.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of all("form[data-sent]")) {
      delete form.dataset.sent;
      all("button", form).forEach((button) => (button.disabled = false));
    }
  });

  // Hashes and commands are copied by a click, or by Enter and the space bar like a button.
  const spoken = document.createElement("div");
  spoken.className = "visually-hidden";
  spoken.setAttribute("role", "status");
  document.body.append(spoken);
  const copy = (chip) => navigator.clipboard.writeText(chip.dataset.copy).then(() => {
    chip.classList.add("copied");
    spoken.textContent = "Copied.";
    setTimeout(() => {
      chip.classList.remove("copied");
      spoken.textContent = "";
    }, 1200);
  });
  const makeCopied = () => {
    for (const chip of all("[data-copy]:not([tabindex])")) {
      // What stands in a link or a button is that one's.
      if (chip.closest("a, button, summary")) continue;
      chip.tabIndex = 0;
      chip.setAttribute("role", "button");
      chip.setAttribute("aria-label", `Copy ${chip.dataset.copy}`);
    }
  };
  if (navigator.clipboard) {
    document.documentElement.classList.add("has-clipboard");
    document.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-copy][tabindex]");
      if (chip) copy(chip);
    });
    document.addEventListener("keydown", (event) => {
      if ((event.key !== "Enter" && event.key !== " ") || !event.target.matches("[data-copy][tabindex]")) return;
      event.preventDefault();
      copy(event.target);
    });
    document.addEventListener("DOMContentLoaded", makeCopied);
    document.addEventListener("htmx:after:swap", makeCopied);
  }

  // Results below the search box: the arrow keys go through them, Escape goes back and closes.
  const finder = document.querySelector(".find");
  if (finder) {
    const box = finder.querySelector("input");
    finder.addEventListener("keydown", (event) => {
      const links = [...all("#found a", finder)];
      const at = links.indexOf(document.activeElement);
      if (event.key === "Escape" && links.length) {
        document.getElementById("found").replaceChildren();
        box.focus();
      } else if (event.key === "ArrowDown" && links.length) {
        event.preventDefault();
        links[Math.min(at + 1, links.length - 1)].focus();
      } else if (event.key === "ArrowUp" && at >= 0) {
        event.preventDefault();
        (links[at - 1] || box).focus();
      }
    });
  }

  // What is renewed while somebody uses it stays open or shut as they left it, and a form that is on its
  // way stays as it was sent.
  if (window.htmx) {
    htmx.registerExtension("under-the-hand", {
      htmx_before_morph_attr: (node, change) => !(node.matches("details") && change.attrName === "open"),
      htmx_before_morph_node: (node) => !(node instanceof Element && node.matches("form[data-sent]")),
    });
  }

  // A question that opens loads the plan it is about, as it is by then.
  document.addEventListener("toggle", (event) => {
    if (!window.htmx || !event.target.open) return;
    for (const plan of all("[hx-trigger=shown]", event.target)) htmx.trigger(plan, "shown", {}, false);
  }, true);

  // Menus close by a click elsewhere and by Escape; "/" goes to the search box.
  document.addEventListener("click", (event) => {
    for (const open of all("details.menu[open], details.confirm[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      for (const open of all("details.menu[open], details.confirm[open]")) {
        open.open = false;
        open.querySelector("summary").focus();
      }
    }
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const box = document.querySelector("[data-hotkey='/']");
      if (box) {
        event.preventDefault();
        box.focus();
      }
    }
  });

  // Where tabs don't fit, the current one is scrolled into view.
  for (const tab of all(".tabset [aria-current]")) {
    const set = tab.closest(".tabset");
    set.scrollLeft = tab.offsetLeft - set.offsetLeft - (set.clientWidth - tab.offsetWidth) / 2;
  }

  // A hidden page holds no stream: a browser has six connections to a server over HTTP/1.1, and a
  // seventh tab would wait for ever. A page that is looked at again does not wait for its next try.
  const over = new WeakSet();
  const asked = new WeakSet();
  let ready = false;
  const watch = () => {
    if (document.hidden || !ready) return;
    for (const stream of all("[hx-sse\\:connect]")) {
      const connection = stream._htmx && stream._htmx.sse;
      if (connection) {
        if (connection.delayCanceller) connection.delayCanceller();
      } else if (!over.has(stream) && !asked.has(stream)) {
        asked.add(stream);
        htmx.trigger(stream, "watch");
      }
    }
  };
  document.addEventListener("htmx:sse:close", (event) => {
    asked.delete(event.target);
    if (event.detail.reason === "message") over.add(event.target);
  });
  document.addEventListener("htmx:error", (event) => asked.delete(event.target));
  // Not before htmx has looked at the page, which it does when the page is complete.
  document.addEventListener("DOMContentLoaded", () => setTimeout(() => {
    ready = Boolean(window.htmx);
    watch();
  }));
  document.addEventListener("visibilitychange", watch);
  for (const name of ["focus", "online", "pageshow"]) addEventListener(name, watch);

  // Streams: say when the connection is lost, and when it is back.
  const offline = document.getElementById("offline");
  const lost = new Set();
  const show = () => {
    if (offline) offline.hidden = lost.size === 0 && navigator.onLine;
  };
  document.addEventListener("htmx:sse:error", (event) => {
    lost.add(event.target);
    show();
  });
  for (const name of ["htmx:sse:after:connection", "htmx:sse:close"]) {
    document.addEventListener(name, (event) => {
      lost.delete(event.target);
      show();
    });
  }
  addEventListener("online", show);
  addEventListener("offline", show);

  // When a deployment to an environment begins or ends, its servers are looked at again: not at every
  // step, as each of them is asked what it runs.
  let open = document.getElementById("open-now")?.dataset.open;
  document.addEventListener("htmx:after:swap", () => {
    const now = document.getElementById("open-now")?.dataset.open;
    if (now === open) return;
    open = now;
    const servers = document.getElementById("servers-now");
    if (servers) htmx.trigger(servers, "other-deployments");
  });

  // A choice that narrows a list takes effect at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
  });

  // Follow mode: a log with data-follow stays at its end until somebody scrolls up. While it follows
  // it holds data-keep lines and lets go of the oldest; while somebody reads it lets in at most as
  // many again, and following again then means loading the newest lines.
  const atEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const follow = (log) => {
    const keep = Number(log.dataset.keep) || 2000;
    const box = document.querySelector(`[data-follows="${log.id}"]`);
    const earlier = document.getElementById("earlier");
    let on = true;
    let missed = false;
    const showEarlier = () => {
      if (!earlier || !log.firstElementChild) return;
      const url = new URL(log.dataset.newest, location.href);
      url.searchParams.set("before", log.firstElementChild.id.slice(1));
      earlier.href = url;
      earlier.hidden = false;
    };
    const total = document.getElementById("log-total");
    const tidy = () => {
      const count = log.childElementCount;
      if (total && count > 0) {
        const lines = Number(log.lastElementChild.id.slice(1));
        total.textContent = `${lines.toLocaleString("en")} line${lines === 1 ? "" : "s"}`;
      }
      if (on && count > keep) {
        const range = document.createRange();
        range.setStartBefore(log.firstChild);
        range.setEndBefore(log.children[count - keep]);
        range.deleteContents();
        showEarlier();
      } else if (!on && count > 2 * keep) {
        missed = true;
        const range = document.createRange();
        range.setStartBefore(log.children[2 * keep]);
        range.setEndAfter(log.lastChild);
        range.deleteContents();
      }
      if (on) log.scrollTop = log.scrollHeight;
    };
    const set = (value) => {
      if (value && missed) return location.reload();
      on = value;
      if (box) box.checked = on;
      if (on) tidy();
    };
    if (box) {
      box.closest("label").hidden = false;
      box.addEventListener("change", () => set(box.checked));
    }
    // Only a person's scrolling counts: new lines move the end, not the reader.
    let last = log.scrollTop;
    log.addEventListener("scroll", () => {
      const up = log.scrollTop < last - 4;
      last = log.scrollTop;
      if (on && up && !atEnd(log)) set(false);
      else if (!on && !up && atEnd(log) && !missed) set(true);
    }, { passive: true });
    new MutationObserver(tidy).observe(log, { childList: true });
    tidy();
  };
  all("[data-follow]").forEach(follow);

  // Messages from failed requests go away by themselves.
  const toasts = document.getElementById("toasts");
  if (toasts) {
    new MutationObserver((changes) => {
      for (const change of changes) {
        for (const node of change.addedNodes) {
          if (node.nodeType === 1) setTimeout(() => node.remove(), 12000);
        }
      }
    }).observe(toasts, { childList: true });
  }
  // A press that never reached the server says so.
  document.addEventListener("htmx:error", (event) => {
    if (!toasts || (event.detail.ctx && event.detail.ctx.response)) return;
    const note = document.createElement("div");
    note.className = "flash t-bad toastlet";
    note.textContent = "The server could not be reached. Nothing was done.";
    toasts.append(note);
  });
})();
