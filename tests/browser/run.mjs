// Runs real browser clients in headless Chromium, one page after the other. Usage: node run.mjs [CERTIFICATE KEY]
// With PEM files of a certificate and its key the pages are served with TLS, and Chromium trusts that certificate and no other that it
// would not trust anyway; without them it trusts any.
// Prints one JSON object a line: {"event":"browser","origin":"http://127.0.0.1:..."}, then what the pages tell, such as {"event":"ready"}.
// Lines on standard input: {"do":"open","plan":{"client":"telnyx",...}} opens a fresh page in place of the one before; every other line is a
// command for the page, such as {"do":"call","number":"9196"}.

import { createHash, X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");
const failed = (error) => say({ event: "failed", reason: String(error) });

const kinds = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };
const [certificate, key] = await Promise.all(process.argv.slice(2, 4).map((file) => readFile(file)));
/// A client whose package is no module for browsers, made into one.
const bundled = {};
const bundle = async (name) => {
  bundled[name] ??= build({ entryPoints: [join(here, "node_modules", name, "lib/JsSIP.js")], bundle: true, format: "esm", write: false });
  return (await bundled[name]).outputFiles[0].contents;
};
const serve = async (request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    const body = path === "/jssip.js" ? await bundle("jssip") : await readFile(join(here, path));
    const kind = Object.entries(kinds).find(([ending]) => path.endsWith(ending));
    response.writeHead(200, { "content-type": kind ? kind[1] : "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404);
    response.end();
  }
};
const server = certificate ? createSecureServer({ cert: certificate, key }, serve) : createServer(serve);
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `${certificate ? "https" : "http"}://127.0.0.1:${server.address().port}`;

/// By what Chromium is to know the certificate.
const pin = certificate
  && createHash("sha256").update(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" })).digest("base64");

const profile = await mkdtemp(join(tmpdir(), "offhook-chromium-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.OFFHOOK_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  ignoreHTTPSErrors: !certificate,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    // Both ends are on loopback, and no multicast DNS answers here.
    "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns",
    ...(pin ? [`--ignore-certificate-errors-spki-list=${pin}`] : []),
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
