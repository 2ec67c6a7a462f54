// Drives a real browser client in headless Chromium. Usage: node run.mjs '{"client":"telnyx","role":"caller",...}'
// Prints one JSON object a line: {"event":"ready"}, {"event":"active"}, {"event":"level","inbound":0.2,...}, {"event":"ended"}.
// Lines on standard input are commands for the page: {"do":"hangup"}, {"do":"dtmf","digits":"5"}.

import { createServer } from "node:http";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const plan = JSON.parse(process.argv[2]);
const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");

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
setTimeout(() => { say({ event: "failed", reason: "time limit" }); close(1); }, (plan.limit_s ?? 60) * 1000).unref();

const page = browser.pages()[0] ?? (await browser.newPage());
page.on("console", (message) => process.stderr.write(`${message.type()}: ${message.text()}\n`));
page.on("pageerror", (error) => say({ event: "failed", reason: String(error) }));
await page.exposeFunction("say", say);
createInterface({ input: process.stdin }).on("line", (line) => {
  page.evaluate((command) => window.command(command), JSON.parse(line)).catch((error) => say({ event: "failed", reason: String(error) }));
});
await page.goto(`http://127.0.0.1:${server.address().port}/page.html`);
await page.evaluate((plan) => window.start(plan), plan);
