// An app's log goes on by itself: lines are added as text, and the view follows them unless somebody
// reads further up. Without this file the page shows the last lines.
"use strict";

(() => {
  const log = document.getElementById("log");
  const status = document.getElementById("logstate");
  const follow = document.getElementById("follow");
  if (!log || !status || !follow || !window.EventSource) return;
  // As many lines as the server keeps.
  const MOST = 1500;
  const box = follow.querySelector("input");
  const toEnd = () => {
    if (box.checked) log.scrollTop = log.scrollHeight;
  };
  follow.hidden = false;
  toEnd();
  box.addEventListener("change", toEnd);
  log.addEventListener("scroll", () => {
    box.checked = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  });

  const show = (is) => {
    status.hidden = false;
    for (const part of status.querySelectorAll("[data-is]")) part.hidden = part.dataset.is !== is;
  };
  const piece = (name, kind, words) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    element.textContent = words;
    return element;
  };
  const add = ({ exact, time, process, text }) => {
    document.getElementById("nolines")?.remove();
    log.hidden = false;
    const at = piece("time", "", time);
    at.dateTime = exact;
    at.title = exact;
    const line = document.createElement("li");
    line.append(at, piece("span", "src", process), piece("span", "msg", text));
    log.append(line);
    while (log.childElementCount > MOST) log.firstElementChild.remove();
  };

  // Who comes back goes on after the last line that was shown.
  const address = new URL(log.dataset.stream, location.href);
  let source = null;
  const connect = () => {
    if (source) return;
    source = new EventSource(address);
    source.addEventListener("open", () => show("live"));
    source.addEventListener("message", (event) => {
      if (event.lastEventId) address.searchParams.set("from", event.lastEventId);
      for (const line of JSON.parse(event.data)) add(line);
      toEnd();
    });
    source.addEventListener("ended", () => {
      disconnect();
      status.hidden = true;
    });
    source.addEventListener("error", () => {
      show("lost");
      if (source?.readyState !== EventSource.CLOSED) return;
      disconnect();
      setTimeout(wake, 5000);
    });
  };
  const disconnect = () => {
    source?.close();
    source = null;
  };
  // A page that nobody sees holds no connection.
  const wake = () => (document.hidden ? disconnect() : connect());
  document.addEventListener("visibilitychange", wake);
  addEventListener("pagehide", disconnect);
  wake();
})();
