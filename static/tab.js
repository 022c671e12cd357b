// The browser's tab: its title and icon show the state of the page, also in the background, where a
// page holds no stream. When a deployment ends that somebody watches, a notification says so, for
// whoever has asked for them.
(() => {
  "use strict";
  const root = document.documentElement;
  const icon = document.querySelector("link[rel=icon]");
  // How often a page in the background asks; browsers make it a minute after a while.
  const PERIOD = 15000;

  const show = (word, picture) => {
    const title = word ? `${word} · ${root.dataset.title}` : root.dataset.title;
    if (document.title !== title) document.title = title;
    if (picture && icon.getAttribute("href") !== picture) icon.setAttribute("href", picture);
  };
  const sign = () => document.querySelector("[data-tab]");

  // ---- Notifications ----
  const button = document.getElementById("notify");
  const chosen = () => {
    try {
      return localStorage.getItem("notify") === "on";
    } catch {
      return false;
    }
  };
  const choose = (on) => {
    try {
      localStorage.setItem("notify", on ? "on" : "off");
    } catch {
      // Nothing can be kept: then it is for this page only, and that is not worth a word.
    }
  };
  const isOn = () => "Notification" in window && Notification.permission === "granted" && chosen();
  const showButton = () => {
    if (!button) return;
    const state = sign();
    button.hidden = !("Notification" in window) || Notification.permission === "denied" || !state || "ended" in state.dataset;
    button.setAttribute("aria-pressed", String(isOn()));
  };
  if (button) {
    button.addEventListener("click", async () => {
      if (isOn()) choose(false);
      else choose((await Notification.requestPermission()) === "granted");
      showButton();
    });
  }
  let told = Boolean(sign() && "ended" in sign().dataset);
  const ended = (words) => {
    if (told) return;
    told = true;
    if (!isOn() || (!document.hidden && document.hasFocus())) return;
    const note = new Notification(root.dataset.title, { body: words, tag: location.pathname, icon: icon.href });
    note.addEventListener("click", () => {
      window.focus();
      note.close();
    });
  };

  // ---- In front ----
  const tell = () => {
    const state = sign();
    if (!state) return;
    show(state.dataset.tab, state.dataset.icon);
    if ("ended" in state.dataset) ended(state.dataset.words || state.dataset.tab);
    showButton();
  };
  document.addEventListener("htmx:after:swap", tell);
  showButton();

  // ---- In the background ----
  const ask = async () => {
    const state = sign();
    if (!document.hidden || !state || !state.dataset.ask || told) return;
    try {
      const answer = await fetch(state.dataset.ask, { headers: { accept: "application/json" } });
      if (!answer.ok) return;
      const now = await answer.json();
      if (!document.hidden) return;
      show(now.tab, now.icon);
      if (now.ended) ended(now.words);
    } catch {
      // The next try may do better.
    }
  };
  setInterval(ask, PERIOD);
})();
