// An end of a call by a headless browser, without any client: its own connection, told what to do by JSON lines on standard input, which
// answers by JSON lines on standard output (see tests/src/far_end.rs). Usage: node far_end.mjs chromium|firefox
// Nothing drives the browser: its page asks this program what to do.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const pages = { "/": ["far_end.html", "text/html"], "/far_end.js": ["far_end.js", "text/javascript"], "/levels.js": ["levels.js", "text/javascript"] };
/// Where commands go: the page's stream of events, once it is there.
let page;
const waiting = [];
const server = createServer(async (request, response) => {
  if (request.url === "/commands") {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    page = response;
    response.flushHeaders();
    for (const line of waiting.splice(0)) page.write(`data: ${line}\n\n`);
  } else if (request.url === "/say") {
    let body = "";
    for await (const part of request) body += part;
    process.stdout.write(body + "\n");
    response.end();
  } else if (request.url in pages) {
    const [file, kind] = pages[request.url];
    response.writeHead(200, { "content-type": kind });
    response.end(await readFile(join(here, file)));
  } else {
    response.writeHead(404);
    response.end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

/// Of Firefox. The near end is on loopback, where packets to this machine's other addresses arrive too; sound comes without a click; nothing is
/// asked of the Internet.
const preferences = {
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.gmp-manager.updateEnabled": false,
  "media.gmp-provider.enabled": false,
  "app.normandy.enabled": false,
  "app.update.auto": false,
  "app.update.disabledForTesting": true,
  "browser.aboutwelcome.enabled": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.downloads.remote.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.search.update": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.region.update.enabled": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "datareporting.healthreport.uploadEnabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "dom.push.connection.enabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.systemAddon.update.enabled": false,
  "extensions.update.enabled": false,
  "geo.provider.network.url": "",
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "network.dns.disablePrefetch": true,
  "network.http.speculative-parallel-limit": 0,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
  "toolkit.telemetry.server": "",
  "toolkit.telemetry.unified": false,
  // Whatever is left of that goes nowhere: loopback alone needs no proxy.
  "network.proxy.type": 1,
  "network.proxy.http": "127.0.0.1",
  "network.proxy.http_port": 9,
  "network.proxy.ssl": "127.0.0.1",
  "network.proxy.ssl_port": 9,
};
const profile = await mkdtemp(join(tmpdir(), "offhook-browser-"));
const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
await writeFile(join(profile, "user.js"), lines.join(""));
const url = `http://127.0.0.1:${server.address().port}/`;
const chromium = [
  "--headless=new", `--user-data-dir=${profile}`, "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
  "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--password-store=basic",
];
const [program, options] = {
  firefox: [process.env.OFFHOOK_FIREFOX ?? "/usr/bin/firefox-esr", ["--headless", "--no-remote", "--profile", profile]],
  chromium: [
    process.env.OFFHOOK_CHROMIUM ?? "/usr/bin/chromium",
    [...chromium, "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns"],
  ],
  "chromium-behind-names": [process.env.OFFHOOK_CHROMIUM ?? "/usr/bin/chromium", chromium],
}[process.argv[2]];
const browser = spawn(program, [...options, url], {
  stdio: ["ignore", 2, 2],
  // A home of its own: what it would write beside its profile goes with it.
  env: { ...process.env, HOME: profile },
});

let closing = false;
async function close(code) {
  if (closing) return;
  closing = true;
  server.closeAllConnections();
  server.close();
  if (browser.exitCode === null && browser.signalCode === null) {
    const ended = new Promise((resolve) => browser.once("exit", resolve));
    browser.kill("SIGTERM");
    const overdue = setTimeout(() => browser.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(overdue);
  }
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  process.exit(code);
}
process.on("SIGTERM", () => close(0));
process.on("SIGINT", () => close(0));
const failed = (reason) => {
  if (!closing) say({ event: "failed", reason });
  close(1);
};
browser.once("error", (error) => failed(String(error)));
browser.once("exit", (code, signal) => failed(`the browser ended: ${code ?? signal}`));
setTimeout(() => failed("time limit"), 300_000).unref();

createInterface({ input: process.stdin })
  .on("line", (line) => (page ? page.write(`data: ${line}\n\n`) : waiting.push(line)))
  .on("close", () => close(0));
