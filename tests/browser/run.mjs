// Runs real browser clients in headless Chromium, one page after the other. Usage: node run.mjs
// Prints one JSON object a line: {"event":"browser","origin":"http://127.0.0.1:..."}, then what the pages tell, such as {"event":"ready"}.
// Lines on standard input: {"do":"open","plan":{"client":"telnyx",...}} opens a fresh page in place of the one before; every other line is a
// command for the page, such as {"do":"call","number":"9196"}.

import { createServer } from "node:http";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");
const failed = (error) => say({ event: "failed", reason: String(error) });

const kinds = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };
const server = createServer(async (request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    const body = await readFile(join(here, path));
    const kind = Object.entries(kinds).find(([ending]) => path.endsWith(ending));
    response.writeHead(200, { "content-type": kind ? kind[1] : "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404);
    response.end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const profile = await mkdtemp(join(tmpdir(), "offhook-chromium-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.OFFHOOK_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  ignoreHTTPSErrors: true,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    // Both ends are on loopback, and no multicast DNS answers here.
    "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
  ],
});

let closing = false;
async function close(code) {
  if (closing) return;
  closing = true;
  await browser.close().catch(() => {});
  server.close();
  await rm(profile, { recursive: true, force: true });
  process.exit(code);
}
process.on("SIGTERM", () => close(0));
process.on("SIGINT", () => close(0));
setTimeout(() => { failed("time limit"); close(1); }, 300_000).unref();

await browser.exposeFunction("say", say);
let page = browser.pages()[0] ?? (await browser.newPage());

async function open(plan) {
  // A page of its own has a session storage of its own: nothing of the client before is left.
  const before = page;
  page = await browser.newPage();
  await before.close();
  page.on("console", (message) => process.stderr.write(`${message.type()}: ${message.text()}\n`));
  page.on("pageerror", failed);
  await page.goto(`${origin}/page.html`);
  await page.evaluate((plan) => window.start(plan), plan);
}

// One after the other: a command is for the page that was opened before it.
let queue = Promise.resolve();
createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  queue = queue
    .then(() => (command.do === "open" ? open(command.plan) : page.evaluate((command) => window.command(command), command)))
    .catch(failed);
});
say({ event: "browser", origin });
