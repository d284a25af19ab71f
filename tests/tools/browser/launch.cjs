// Starts Chromium as everything here uses it.
"use strict";

const { chromium } = require("playwright-core");

// Long enough for a machine that is busy; nothing is ever waited for to the end.
const PATIENCE = 60_000;

exports.PATIENCE = PATIENCE;
exports.launch = (env = {}) => chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  // As root, and in containers with a small /dev/shm.
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
  env: { ...process.env, ...env },
  timeout: PATIENCE,
});
