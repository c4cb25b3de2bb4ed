// Opens pages in Chromium and says what is on them. Reads from standard input {chromium, pages: [{url, png?, width, plain, whole}]},
// writes one line of JSON for each page: {url, error, complaints, panels: [{title, kind, state, error, text, links}]};
// of a plain page also what it asked for, what the browser said of it, and its text: {requests, said, text}.
import { chromium } from 'playwright-core';

const LONG_MS = 120_000;
const FRAMES = 20;

const { chromium: executablePath, pages } = JSON.parse(await new Response(process.stdin).text());
const args = ['--disable-dev-shm-usage', '--font-render-hinting=none', '--force-color-profile=srgb'];
const browser = await chromium.launch({ executablePath, args, timeout: LONG_MS, chromiumSandbox: process.getuid?.() !== 0 });
try {
  for (const page of pages) {
    console.log(JSON.stringify(await seen(page)));
  }
} finally {
  await browser.close();
}

async function seen({ url, png, width, plain, whole }) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, reducedMotion: 'reduce' });
  const complaints = [];
  const requests = [];
  const said = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => said.push(message.text()));
  page.setDefaultTimeout(LONG_MS);
  await page.goto(url);
  if (!plain) {
    await page.waitForFunction(() => document.body.dataset.state !== 'loading', null, { timeout: LONG_MS });
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height }); // tables draw the rows that are in view
    await page.evaluate(still, FRAMES);
  }
  const found = await page.evaluate(() => ({
    error: document.body.dataset.error ?? null,
    panels: [...document.querySelectorAll('[data-panel]')].map((each) => ({
      title: each.dataset.panel,
      kind: each.dataset.kind,
      state: each.querySelector('[data-broken]') ? 'broken' : each.dataset.state,
      error: each.dataset.error ?? each.querySelector('[data-broken]')?.dataset.broken ?? null,
      text: each.innerText,
      drawn: Boolean(each.querySelector('canvas')),
      links: [...each.querySelectorAll('a[href]')].map((link) => link.getAttribute('href')),
    })),
  }));
  if (png) {
    await page.screenshot({ path: png, fullPage: whole });
  }
  const more = plain ? { requests, said, text: await page.evaluate(() => document.body.innerText) } : {};
  await page.close();
  return { url, complaints, ...found, ...more };
}

// In the page: returns once so many frames in a row have shown the same. Frames, not time: a busy machine draws few.
async function still(frames) {
  const shown = () => document.body.innerText + document.querySelectorAll('canvas').length;
  for (let same = 0, before = ''; same < frames; ) {
    await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
    const now = shown();
    same = now === before ? same + 1 : 0;
    before = now;
  }
}
