// What a page does beyond showing: it copies, stays live, says that a form is on its way, and signs with
// an access key's secret. Everything else works without this file. No text of a page is evaluated.
"use strict";

(() => {
  const body = document.body;
  const say = (words) => {
    const said = document.getElementById("said");
    if (said) said.textContent = words;
  };

  // Copy buttons copy the exact line.
  const showCopyButtons = (within) => {
    if (!navigator.clipboard) return;
    for (const button of within.querySelectorAll("[data-copy]")) button.hidden = false;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say("");
      say(body.dataset.copied);
      button.title = body.dataset.copied;
    } catch {
      // The browser forbids it: the text can be selected.
    }
  });

  // Where tabs are wider than the screen, the one that is open is in sight.
  const showOpenTab = (tabs) => {
    const open = tabs.querySelector("[aria-current]");
    if (open) tabs.scrollLeft = open.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - open.offsetWidth) / 2;
  };
  document.querySelectorAll(".tabs").forEach(showOpenTab);

  // A form that is on its way says so, and is not sent twice.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.defaultPrevented || !button) return;
    if (event.target.dataset.sent) {
      event.preventDefault();
      return;
    }
    event.target.dataset.sent = "yes";
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  });
  // Who comes back by the browser's memory finds the form as it was.
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  // A slash leads to the search, unless one types, or has turned that off.
  const find = document.getElementById("q");
  const slash = find?.parentElement.querySelector("kbd");
  if (slash) slash.hidden = false;
  document.addEventListener("keydown", (event) => {
    if (!slash || event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (!find.checkVisibility() || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    find.select();
    find.focus();
  });

  // The menu of a narrow page closes behind who goes on by it.
  document.getElementById("nav")?.addEventListener("click", (event) => {
    const nav = event.currentTarget;
    if (event.target.closest("a") && nav.matches(":popover-open")) nav.hidePopover();
  });

  // An access key's secret stays here. What is sent is an HMAC of the server's nonce, with a key that is
  // derived as in Signature Version 4.
  const signs = document.getElementById("signs");
  if (signs) {
    const text = new TextEncoder();
    const hmac = async (key, words) => {
      const algorithm = { name: "HMAC", hash: "SHA-256" };
      const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
      return new Uint8Array(await crypto.subtle.sign("HMAC", imported, text.encode(words)));
    };
    const sign = async (secret) => {
      const { date, region, service, purpose, nonce } = signs.dataset;
      let key = text.encode("AWS4" + secret);
      for (const part of [date, region, service, "aws4_request"]) key = await hmac(key, part);
      const signature = await hmac(key, purpose + nonce);
      return Array.from(signature, (byte) => byte.toString(16).padStart(2, "0")).join("");
    };
    signs.addEventListener("submit", async (event) => {
      event.preventDefault();
      const secret = signs.querySelector("input[type=password]");
      if (!window.crypto?.subtle) {
        const https = document.getElementById("https");
        https.textContent = body.dataset.https;
        https.hidden = false;
        return;
      }
      signs.elements.namedItem("signature").value = await sign(secret.value.trim());
      secret.value = "";
      secret.required = false;
      signs.submit();
    });
  }

  // A form that can be checked is checked while one types: the same button is pressed in the background, and
  // what it says takes the place of what was said before. What a field lacks is said by the button alone.
  for (const form of document.querySelectorAll("form[data-check]")) {
    let timer = null;
    let newest = 0;
    const check = async () => {
      const turn = ++newest;
      const fields = new URLSearchParams(new FormData(form));
      fields.set("answer", "check");
      try {
        const answer = await fetch(form.action, { method: "POST", body: fields });
        if (!answer.ok || turn !== newest) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        showCopyButtons(fresh);
        for (const id of [form.dataset.check, form.dataset.check + "-more"]) {
          const [old, next] = [document.getElementById(id), fresh.getElementById(id)];
          if (old && next && turn === newest && old.innerHTML !== next.innerHTML) {
            old.replaceChildren(...document.importNode(next, true).childNodes);
          }
        }
      } catch {
        // The button is there, and says what is wrong.
      }
    };
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(check, 400);
    });
  }

  showCopyButtons(document);
  // What comes is heard of once the page is shown: a connection before that would delay it.
  if (body.dataset.events) requestAnimationFrame(() => setTimeout(() => live(body.dataset.events)));

  // The server says when this page has changed. Then it is fetched again, and the regions whose HTML
  // differs are replaced, but never one that has the focus or something that was typed.
  function live(address) {
    const status = document.getElementById("live");
    const parts = Object.fromEntries(
      Array.from(status.querySelectorAll("[data-is]"), (part) => [part.dataset.is, part]),
    );
    let source = null;
    let lost = null;
    let over = false;
    let fetching = false;
    let again = false;

    const show = (is, words) => {
      status.hidden = false;
      for (const [name, part] of Object.entries(parts)) part.hidden = name !== is;
      if (words) parts[is].querySelector("span").textContent = words;
    };
    const time = () => new Date().toTimeString().slice(0, 5);

    const connect = () => {
      if (source || over) return;
      // What came since the page was made, and before it listened, is told too.
      const seen = body.dataset.seen ? `&seen=${body.dataset.seen}` : "";
      source = new EventSource(address + seen);
      source.addEventListener("open", () => {
        const back = lost !== null;
        lost = null;
        show("live");
        if (back) renew();
      });
      source.addEventListener("changed", renew);
      source.addEventListener("ended", () => {
        over = true;
        disconnect();
        show("lost", body.dataset.ended);
      });
      source.addEventListener("error", () => {
        if (over) return;
        lost ??= time();
        show("lost", body.dataset.lost.replace("{time}", lost));
        // A refusal ends the source for good, as when a proxy answers for a server that restarts.
        if (source?.readyState === EventSource.CLOSED) {
          disconnect();
          setTimeout(connect, 5000);
        }
      });
    };
    const disconnect = () => {
      source?.close();
      source = null;
    };

    // A page that nobody sees holds no connection: a browser has few for one server.
    let slept = false;
    const wake = () => {
      if (document.hidden) {
        slept = true;
        disconnect();
      } else {
        connect();
        if (slept) renew();
        slept = false;
      }
    };
    document.addEventListener("visibilitychange", wake);
    addEventListener("pagehide", disconnect);
    wake();

    const isBusy = (region) =>
      region.contains(document.activeElement) ||
      Array.from(region.querySelectorAll("input:not([type=hidden]), textarea")).some(
        (field) => field.value !== field.defaultValue,
      );
    const differs = (one, other) => one.innerHTML !== other.innerHTML;

    async function renew() {
      if (fetching) {
        again = true;
        return;
      }
      fetching = true;
      try {
        const answer = await fetch(location.pathname + location.search);
        if (answer.ok && !answer.redirected) take(await answer.text());
      } catch {
        // The source says that the connection is lost.
      } finally {
        fetching = false;
        if (again) {
          again = false;
          renew();
        }
      }
    }

    // What waits until a region is left, by the region's name.
    const waiting = new Map();

    function take(html) {
      const fresh = new DOMParser().parseFromString(html, "text/html");
      showCopyButtons(fresh);
      for (const region of document.querySelectorAll("[data-live]")) {
        const name = region.dataset.live;
        const next = fresh.querySelector(`[data-live="${name}"]`) ?? nothing(region);
        if (!differs(without(region), next)) {
          forget(name);
          continue;
        }
        if (isBusy(region)) wait(name, region, next);
        else replace(name, region, next);
      }
      for (const region of fresh.querySelectorAll("[data-live]")) add(region);
      body.dataset.seen = fresh.body.dataset.seen ?? "";
      const title = fresh.querySelector("title");
      if (title) document.title = title.textContent;
    }

    // What takes the place of a region that is gone, for as long as it is.
    function nothing(region) {
      const empty = region.cloneNode(false);
      empty.hidden = true;
      return empty;
    }

    // Adds a region that is new, behind the one that it follows.
    function add(region) {
      const here = (name) => document.querySelector(`[data-live="${name}"]`);
      if (here(region.dataset.live)) return;
      let before = region.previousElementSibling;
      while (before && !before.dataset.live) before = before.previousElementSibling;
      if (before) here(before.dataset.live)?.after(document.importNode(region, true));
    }

    // A region without the note that something waits, and without what marks new rows.
    function without(region) {
      const copy = region.cloneNode(true);
      for (const news of copy.querySelectorAll(".news")) news.remove();
      for (const row of copy.querySelectorAll(".fresh")) {
        row.classList.remove("fresh");
        if (!row.className) row.removeAttribute("class");
      }
      return copy;
    }

    function replace(name, region, next) {
      forget(name);
      const before = new Set(rows(without(region)).map(content));
      const placed = document.importNode(next, true);
      for (const row of rows(placed)) {
        if (!before.has(content(row))) row.classList.add("fresh");
      }
      region.replaceWith(placed);
      if (placed.matches(".tabs")) showOpenTab(placed);
      setTimeout(() => {
        for (const row of placed.querySelectorAll(".fresh")) {
          row.classList.remove("fresh");
          if (!row.className) row.removeAttribute("class");
        }
      }, 2000);
    }
    const rows = (region) => Array.from(region.querySelectorAll("tbody tr, .todo > li"));
    // What a row says, whatever is left of its time.
    const content = (row) => row.outerHTML.replace(/<time[^]*?<\/time>/g, "");

    function wait(name, region, next) {
      const before = new Set(rows(without(region)).map(content));
      const count = rows(next).filter((row) => !before.has(content(row))).length;
      forget(name);
      const news = document.createElement("button");
      news.type = "button";
      news.className = "b s news";
      news.textContent = body.dataset.waiting.replace("{n}", String(Math.max(count, 1)));
      news.addEventListener("click", () => replace(name, region, next));
      region.prepend(news);
      const leave = () => setTimeout(() => {
        if (waiting.get(name)?.next === next && !isBusy(region)) replace(name, region, next);
      });
      region.addEventListener("focusout", leave);
      waiting.set(name, { next, end: () => {
        news.remove();
        region.removeEventListener("focusout", leave);
      } });
    }
    function forget(name) {
      waiting.get(name)?.end();
      waiting.delete(name);
    }
  }
})();
