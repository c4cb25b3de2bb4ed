// The page: one dashboard, drawn from Prometheus. `?board=UID&from=S&to=S&scrape=S&var-NAME=VALUE`; `body[data-state]`
// says when it is done, and each panel's element what became of it.
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import 'uplot/dist/uPlot.min.css';
import './page.css';
import {
  createTheme,
  type DataFrame,
  dateTime,
  dateTimeFormat,
  getPanelOptionsWithDefaults,
  getValueFormats,
  type GrafanaTheme2,
  ThemeContext,
  type TimeRange,
} from '@grafana/data';
import { ErrorBoundary, GlobalStyles, PanelChrome, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import type { Dashboard, Panel } from './dashboard';
import { configured, framesOf, replacer } from './frames';
import { type Mark, MarkLegend, marksOf } from './marks';
import { PLUGINS } from './plugins';
import { type Span, type Values, valuesOf } from './prometheus';

const [COLUMNS, ROW, GAP, WIDTH] = [24, 30, 8, 1280];
const UNITS = new Set(getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));

interface Loaded {
  panel: Panel;
  frames: DataFrame[];
  error?: string;
}

interface Page {
  board: Dashboard;
  values: Values;
  span: Span;
  loaded: Loaded[];
  marks: Mark[];
  theme: GrafanaTheme2;
}

async function loaded(panel: Panel, values: Values, span: Span): Promise<Loaded> {
  if (panel.type === 'row') {
    return { panel, frames: [] };
  }
  const unit = panel.fieldConfig.defaults.unit ?? '';
  if (!UNITS.has(unit)) {
    return { panel, frames: [], error: `Grafana has no unit ${JSON.stringify(unit)}` };
  }
  if (!PLUGINS[panel.type]) {
    return { panel, frames: [], error: `this page cannot draw a ${panel.type}` };
  }
  try {
    return { panel, frames: await framesOf(panel, values, span) };
  } catch (error) {
    return { panel, frames: [], error: String(error) };
  }
}

function box({ gridPos: { x, y, w, h } }: Panel) {
  const column = (WIDTH + GAP) / COLUMNS;
  return { left: x * column, top: y * (ROW + GAP), width: w * column - GAP, height: h * (ROW + GAP) - GAP };
}

function Drawn({ each, page, width, height }: { each: Loaded; page: Page; width: number; height: number }) {
  const { panel, frames, error } = each;
  if (error) {
    return <p className="error">{error}</p>;
  }
  if (!frames.some((frame) => frame.length)) {
    return <p className="empty">{panel.fieldConfig.defaults.noValue ?? 'No data'}</p>;
  }
  const { plugin, Component } = PLUGINS[panel.type]!;
  const { options, fieldConfig } = getPanelOptionsWithDefaults({
    plugin,
    currentOptions: panel.options,
    currentFieldConfig: panel.fieldConfig,
    isAfterPluginChange: false,
  });
  const { theme, span, values, marks } = page;
  const replaceVariables = replacer(values, span);
  const drawn = configured(frames, fieldConfig, plugin, replaceVariables, theme);
  return (
    <Component
      frames={drawn}
      timeRange={rangeOf(span)}
      {...{ options, fieldConfig, width, height, theme, marks, replaceVariables }}
    />
  );
}

function rangeOf({ from, to }: Span): TimeRange {
  const range = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
  return { ...range, raw: range };
}

function Place({ each, page }: { each: Loaded; page: Page }) {
  const { panel, frames, error } = each;
  const style = box(panel);
  if (panel.type === 'row') {
    return <h2 style={style}>{panel.title}</h2>;
  }
  const state = error ? 'error' : frames.some((frame) => frame.length) ? 'data' : 'empty';
  return (
    <section style={style} data-panel={panel.title} data-kind={panel.type} data-state={state} data-error={error}>
      <PanelChrome title={panel.title} description={panel.description} statusMessage={error} width={style.width} height={style.height}>
        {(width, height) => (
          <ErrorBoundary>
            {({ error: broken }) =>
              broken ? (
                <p className="error" data-broken={broken.message}>{broken.message}</p>
              ) : (
                <Drawn {...{ each, page, width, height }} />
              )
            }
          </ErrorBoundary>
        )}
      </PanelChrome>
    </section>
  );
}

function Whole({ page }: { page: Page }) {
  const { board, values, span, theme, marks } = page;
  const bottom = Math.max(...board.panels.map((panel) => box(panel).top + box(panel).height));
  const time = (seconds: number) => dateTimeFormat(seconds * 1000, { timeZone: 'utc', format: 'YYYY-MM-DD HH:mm' });
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <header>
        <h1>{board.title}</h1>
        {board.templating.list.filter(({ name }) => values[name]).map(({ name, label }) => (
          <span key={name} data-variable={name}>
            <b>{label}</b> {values[name]!.length > 4 ? `All (${values[name]!.length})` : values[name]!.join(' + ')}
          </span>
        ))}
        <span>{time(span.from)} to {time(span.to).slice(-5)} UTC</span>
      </header>
      <MarkLegend marks={marks} />
      <main style={{ height: bottom, width: WIDTH }}>
        {page.loaded.map((each) => <Place key={each.panel.id} each={each} page={page} />)}
      </main>
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

function chosen(asked: URLSearchParams): Values {
  const names = [...new Set(asked.keys())].filter((name) => name.startsWith('var-'));
  return Object.fromEntries(names.map((name) => [name.slice(4), asked.getAll(name)]));
}

async function start() {
  const asked = new URLSearchParams(location.search);
  const span = { from: Number(asked.get('from')), to: Number(asked.get('to')), scrape: Number(asked.get('scrape')) };
  const theme = createTheme({ colors: { mode: 'dark' } });
  const board: Dashboard = await (await fetch(`/boards/${asked.get('board')}.json`)).json();
  const values = await valuesOf(board.templating.list, span, chosen(asked));
  const marks = await marksOf(board.annotations.list, values, span, (name) => theme.visualization.getColorByName(name));
  const all = await Promise.all(board.panels.map((panel) => loaded(panel, values, span)));
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
  createRoot(document.getElementById('root')!).render(<Whole page={{ board, values, span, loaded: all, marks, theme }} />);
}

start().then(
  () => setTimeout(() => (document.body.dataset.state = 'done'), 700), // charts draw in the frames after
  (error) => {
    document.body.dataset.error = String(error);
    document.body.dataset.state = 'failed';
  }
);
