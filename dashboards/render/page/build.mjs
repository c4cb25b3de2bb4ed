// Bundles the page into dist/, with the icons and fonts that Grafana's components ask for.
import { cp, mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const require = createRequire(import.meta.url);
const grafana = path.dirname(require.resolve('@grafana/ui/package.json'));

await rm('dist', { recursive: true, force: true });
await mkdir('dist/public/build/img', { recursive: true });
await cp(path.join(grafana, 'dist/public/img/icons'), 'dist/public/build/img/icons', { recursive: true });
await cp('index.html', 'dist/index.html');
await build({
  entryPoints: ['src/main.tsx'],
  bundle: true,
  splitting: true, // the code editor and its like are never asked for, and so never loaded
  format: 'esm',
  outdir: 'dist',
  minify: true,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  loader: { '.woff': 'file', '.woff2': 'file', '.svg': 'text', '.ttf': 'file', '.png': 'file' },
  logLevel: 'warning',
});
