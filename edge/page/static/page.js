// What a page does beyond being read: confirmations in place, keys, values that change while it is open.
// Everything works without it. Nothing here decides anything: the server checks each change.
"use strict";
(() => {
  const one = (what, root = document) => root.querySelector(what);
  const body = document.body, FIELDS = "input:not([type=hidden]), select, textarea";

  // Confirmations: the same form that the link leads to, in a popover.
  let asking = null, asker = null;
  const retag = (element, tag) => {
    const made = document.createElement(tag);
    made.id = element.id;
    made.append(...element.childNodes);
    element.replaceWith(made);
  };
  const show = (form) => {
    for (const h of form.querySelectorAll("h2")) retag(h, "h3");
    const head = one("h1", form);
    if (head) retag(head, "h2");
    asking = document.createElement("div");
    asking.popover = "auto";
    asking.setAttribute("role", "dialog");
    asking.setAttribute("aria-labelledby", "ask-h");
    asking.append(form);
    asking.addEventListener("toggle", (event) => {
      if (event.newState !== "closed") return;
      asking.remove();
      asking = null;
      if (asker) asker.focus();
    });
    // The focus stays in it: what is below may be covered.
    asking.addEventListener("keydown", (event) => {
      if (event.key !== "Tab") return;
      const stops = [...form.querySelectorAll(`a[href], button, summary, ${FIELDS}`)];
      const [end, begin] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
      if (document.activeElement !== end) return;
      event.preventDefault();
      begin.focus();
    });
    body.append(asking);
    asking.showPopover();
    (one(FIELDS, form) || one("button", form)).focus();
  };
  const ask = async (address) => {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(5000) });
    const form = one("form.ask", new DOMParser().parseFromString(await answer.text(), "text/html"));
    if (!answer.ok || !form) throw new Error("no form");
    asking?.remove();
    show(document.adoptNode(form));
  };
  const askOrGo = (address) => ask(address).catch(() => { location.href = address; });
  // A zip that is dropped anywhere on a form for one.
  for (const form of document.querySelectorAll("form[data-drop]")) {
    form.addEventListener("dragover", (event) => event.preventDefault());
    form.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length === 1) one("input[type=file]", form).files = event.dataTransfer.files;
    });
  }

  const plain = (event) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    if (link.getAttribute("aria-disabled") === "true") { event.preventDefault(); return; }
    if (link.hasAttribute("data-cancel") && asking) { event.preventDefault(); asking.hidePopover(); return; }
    if (link.hasAttribute("data-act") && plain(event) && HTMLElement.prototype.showPopover) {
      event.preventDefault();
      asker = link;
      askOrGo(link.href);
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target, button = one("button.primary", form);
    if (!form.classList.contains("ask")) return;
    if (form.method === "get") {
      event.preventDefault();
      const address = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
      if (asking) askOrGo(address); else location.href = address;
      return;
    }
    if (button.getAttribute("aria-disabled")) { event.preventDefault(); return; }
    button.setAttribute("aria-disabled", "true");
    button.textContent += "…";
  });

  // On a phone the pages are a strip: it begins with the one that is shown.
  const here = one(".side [aria-current]");
  if (here) one(".side").scrollLeft = here.offsetLeft - 16;

  // Keys. None of them changes a release.
  const places = { a: "/", n: "/nodes", h: body.dataset.history };
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest(FIELDS)) return;
    const pair = before === "g" && places[event.key];
    before = event.key;
    if (pair) { location.href = pair; return; }
    if (event.key === "/") { event.preventDefault(); one("#find")?.focus(); }
    if (event.key === "?") one("#keys")?.togglePopover();
  });

  // Live values.
  const live = one("#live");
  if (!live || !window.EventSource || !body.dataset.page) return;
  const word = one(".word", live), time = one("time", live), said = one("#said");
  const title = document.title;
  let dead = 0;
  const alive = (clock) => {
    clearTimeout(dead);
    dead = setTimeout(lost, 10000);
    time.textContent = clock;
    word.textContent = "Live · as of";
    live.classList.remove("lost");
    one("use", live).setAttribute("href", "#i-dot");
  };
  const lost = () => {
    word.textContent = "Not live since";
    live.classList.add("lost");
    one("use", live).setAttribute("href", "#i-warn");
  };
  const values = (values) => {
    for (const [name, html] of Object.entries(values)) {
      for (const element of document.querySelectorAll(`[data-live="${CSS.escape(name)}"]`)) {
        if (!element.contains(document.activeElement) || element === document.activeElement) element.innerHTML = html;
      }
    }
  };
  const trouble = ({ now, before }) => {
    document.title = now ? `(${now}) ${title}` : title;
    const words = now > before ? "A release was stopped just now. " : "A release is not stopped any more. ";
    const again = document.createElement("a");
    again.href = location.href;
    again.textContent = "Show it";
    said.replaceChildren(words, again);
    said.hidden = false;
  };
  // One stream while the page is in sight: the browser has six connections to the node, for all tabs together.
  let source = null, again = 0;
  const rest = () => {
    clearTimeout(again);
    clearTimeout(dead);
    if (source) source.close();
    source = null;
  };
  const listen = () => {
    rest();
    if (document.hidden) return;
    const opened = source = new EventSource(`/live?page=${encodeURIComponent(body.dataset.page)}`);
    const on = (kind, run) => opened.addEventListener(kind, (event) => run(JSON.parse(event.data)));
    on("values", values);
    on("trouble", trouble);
    on("time", ({ clock }) => alive(clock));
    on("gone", () => { rest(); lost(); location.reload(); });
    opened.onerror = () => {
      if (opened.readyState !== EventSource.CLOSED) return;
      lost();
      // Others may be closed by then.
      again = setTimeout(listen, 15000);
    };
    dead = setTimeout(lost, 10000);
  };
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  listen();
})();
