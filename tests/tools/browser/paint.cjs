// Prints how soon a browser shows pages of a server, and how much it fetches for the first visit, as JSON:
// paint.cjs URL TOKEN VPC_PATH
"use strict";

const { PATIENCE, launch } = require("./launch.cjs");

const ROUNDS = 7;

async function main([url, token, vpc]) {
  const browser = await launch();
  try {
    const context = await browser.newContext({ baseURL: url });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    await page.goto("/dashboard/sign-in");
    await page.locator("input[name=token]").fill(token);
    await page.locator("button.p").click();
    await page.waitForURL((at) => at.pathname === "/dashboard");
    // A line of text is the least that this browser can show on this machine.
    const pages = [
      ["a line of text", "/healthz"], ["the first page", "/dashboard"], ["a VPC", vpc], ["the map", "/dashboard/map"],
    ];
    const rows = [];
    for (const [name, path] of pages) {
      const answer = await page.goto(path);
      if (answer.status() !== 200) continue;
      rows.push({ name, bytes: await bytes(context, path), paint: await paint(page, path) });
    }
    process.stdout.write(JSON.stringify(rows));
  } finally {
    await browser.close();
  }
}

// Everything that a first visit fetches, with headers: in a browser that has kept nothing.
async function bytes(context, path) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  let sum = 0;
  session.on("Network.loadingFinished", (one) => { sum += one.encodedDataLength; });
  await page.goto(path, { waitUntil: "load" });
  await page.close();
  return sum;
}

// The median of some visits, in milliseconds after the navigation began.
async function paint(page, path) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.goto(path, { waitUntil: "load" });
    times.push(await page.evaluate(() => new Promise((resolve) => {
      const observer = new PerformanceObserver((list) => {
        const entry = list.getEntriesByName("first-contentful-paint")[0];
        if (entry) resolve(entry.startTime);
      });
      observer.observe({ type: "paint", buffered: true });
    })));
  }
  return times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)];
}

main(process.argv.slice(2)).catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
