// Drives Chromium for tests and benchmarks: a request per line of its input, an answer per line of its
// output, each as JSON. It ends with its input, and the browser with it.
//
//   { "person": name, "options": {…} }           somebody with a browser of their own, and one open page
//   { "run": code, "as": name, "args": … }       code with `page`, `context`, `args`, `until` and `axe`
//   { "faults": name }                           what went wrong in that browser so far
//
// What is waited for is waited for by its sign, never for a time: Playwright's locators do so, and `until`
// does for whatever they cannot say.
"use strict";

const readline = require("node:readline");
const fs = require("node:fs");
const { PATIENCE, launch } = require("./launch.cjs");

const AsyncFunction = (async () => {}).constructor;
const axeSource = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const people = new Map();

async function main() {
  const browser = await launch();
  try {
    for await (const line of readline.createInterface({ input: process.stdin })) {
      let answer;
      try {
        answer = { ok: (await carryOut(browser, JSON.parse(line))) ?? null };
      } catch (error) {
        answer = { error: await describe(error, JSON.parse(line)) };
      }
      process.stdout.write(`${JSON.stringify(answer)}\n`);
    }
  } finally {
    await browser.close();
  }
}

async function carryOut(browser, request) {
  if (request.person) return enter(browser, request.person, request.options);
  if (request.faults) return people.get(request.faults).faults;
  const { page, context, requests } = people.get(request.as);
  // What was seen last may be on a page whose script does not run yet.
  await page.waitForLoadState();
  const code = new AsyncFunction("page", "context", "args", "until", "axe", "requests", request.run);
  return code(page, context, request.args, until, () => axe(page), requests);
}

async function enter(browser, name, options) {
  // Without transitions, colours are what they will be.
  const context = await browser.newContext({ reducedMotion: "reduce", locale: "en-US", ...options });
  context.setDefaultTimeout(PATIENCE);
  const faults = [];
  const requests = [];
  context.on("weberror", (error) => faults.push(`an error that nobody caught: ${error.error().stack}`));
  context.on("console", (message) => {
    // An answer that refuses something is looked at where it is expected.
    const expected = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !expected) faults.push(`${message.text()} (${message.page()?.url()})`);
  });
  context.on("request", (request) => {
    requests.push({ method: request.method(), url: request.url(), body: request.postData() ?? "" });
    if (!request.url().startsWith(options.baseURL)) faults.push(`asks somebody else: ${request.url()}`);
  });
  const page = await context.newPage();
  people.set(name, { page, context, faults, requests });
}

// Asks again until the answer is true, and says what it was if it never is.
async function until(what, ask) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer === true) return;
    if (Date.now() > end) throw new Error(`never came about: ${what}; at last ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// What axe-core finds on the page as it is, each with where it is and why.
async function axe(page) {
  // The pages' policy forbids scripts that are not theirs: this one comes by the debugger.
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.html} ${node.failureSummary}`));
}

async function describe(error, request) {
  const said = `${error.message}\nin: ${request.run ?? JSON.stringify(request)}\n${JSON.stringify(request.args)}`;
  const page = people.get(request.as)?.page;
  if (!page) return said;
  const shown = await page.locator("body").ariaSnapshot({ timeout: 5_000 }).catch((why) => `${why}`);
  return `${said}\non ${page.url()}:\n${shown}`;
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
