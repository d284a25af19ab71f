// Takes pictures of pages that `cargo run -p causeway-dashboard --example pages` wrote:
// pictures.cjs PAGES PICTURES
//
// PAGES has NAME.LANGUAGE.html for each page, and the files of the pages under dashboard/assets. The
// browser asks a server of its own here for them, which also keeps the page's events open, so a picture
// shows what a page looks like that is live.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { PATIENCE, launch } = require("./launch.cjs");

// How each page is shown: language, theme and width. Every page in every language and theme would be
// more than anybody looks at.
const SHOWN = [
  { name: "en-light", language: "en", colorScheme: "light", width: 1280 },
  { name: "en-dark", language: "en", colorScheme: "dark", width: 1280 },
  { name: "ja-light", language: "ja", colorScheme: "light", width: 1280 },
  { name: "en-light-narrow", language: "en", colorScheme: "light", width: 360 },
  { name: "ja-dark-narrow", language: "ja", colorScheme: "dark", width: 360 },
];
const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };

async function main([pages, pictures]) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/dashboard/events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(":\n\n");
      return;
    }
    const file = path.join(pages, path.normalize(pathname));
    response.writeHead(200, { "content-type": TYPES[path.extname(file)] });
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await launch({ FONTCONFIG_FILE: path.join(__dirname, "fonts.conf") });
  try {
    const names = fs.readdirSync(pages).filter((name) => name.endsWith(".en.html")).sort();
    for (const shown of SHOWN) {
      const context = await browser.newContext({
        baseURL: `http://127.0.0.1:${server.address().port}`,
        colorScheme: shown.colorScheme,
        reducedMotion: "reduce",
        viewport: { width: shown.width, height: 780 },
      });
      context.setDefaultTimeout(PATIENCE);
      const page = await context.newPage();
      for (const name of names) await take(page, name.replace(".en.html", ""), shown, pictures);
      await context.close();
    }
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

async function take(page, name, shown, pictures) {
  await page.goto(`/${name}.${shown.language}.html`);
  const isLive = await page.locator('body[data-events]:not([data-events=""])').count();
  if (isLive) await page.locator("#live:not([hidden])").waitFor({ state: "attached" });
  await page.evaluate(() => document.fonts.ready);
  // A field that has the focus would show a caret, which blinks.
  const file = path.join(pictures, `${name}.${shown.name}.png`);
  // All of a wide page; of a narrow one what a phone shows, with what stays at its lower edge.
  await page.screenshot({ path: file, fullPage: shown.width > 1000, caret: "hide" });
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
