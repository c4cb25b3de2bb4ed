// Asks Prometheus as Grafana's data source would: steps, intervals, variables, legends.
import type { Target, Variable } from './dashboard';

export interface Series {
  metric: Record<string, string>;
  values: Array<[number, string]>;
}

/** Seconds since 1970, and seconds. */
export interface Span {
  from: number;
  to: number;
  scrape: number;
}

export type Values = Record<string, string[]>;

const POINTS = 600; // more than a panel's pixels say nothing more

/** The step of a range query: no finer than a scrape, no more points than a panel shows. */
export function stepOf(span: Span): number {
  return Math.max(span.scrape, Math.ceil((span.to - span.from) / POINTS));
}

/** The answer's data; rejects with Prometheus' own words. */
export async function ask(path: string, parameters: Record<string, string | number>): Promise<any> {
  const query = new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
  const answer = await fetch(`/api/v1/${path}?${query}`);
  const body = await answer.json();
  if (body.status !== 'success') {
    throw new Error(body.error ?? `status ${answer.status}`);
  }
  return body.data;
}

function escaped(value: string): string {
  return value.replace(/[\\^$*+?.()|[\]{}]/g, '\\\\$&');
}

/** A query with its variables: of several values, one regular expression. */
export function filled(text: string, values: Values, span: Span): string {
  const step = stepOf(span);
  const builtIn: Record<string, string> = {
    __interval: `${step}s`,
    __rate_interval: `${Math.max(step + span.scrape, 4 * span.scrape)}s`,
    __range: `${Math.round(span.to - span.from)}s`,
  };
  return text.replace(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g, (whole, braced, bare) => {
    const name: string = braced ?? bare;
    const chosen = values[name];
    if (!chosen) {
      return builtIn[name] ?? whole;
    }
    return chosen.length === 1 ? escaped(chosen[0]!) : `(${chosen.map(escaped).join('|')})`;
  });
}

/** Each variable's values: those asked for, else all that Prometheus has. */
export async function valuesOf(variables: Variable[], span: Span, chosen: Values): Promise<Values> {
  const found: Values = {};
  for (const variable of variables.filter((each) => each.type === 'query')) {
    const parts = /^label_values\((.+),\s*(\w+)\)$/.exec(variable.query);
    if (!parts) {
      throw new Error(`variable ${variable.name}: ${variable.query} is no label_values()`);
    }
    const selector = filled(parts[1]!, found, span);
    const options: string[] = await ask(`label/${parts[2]}/values`, {
      'match[]': selector,
      start: span.from,
      end: span.to,
    });
    found[variable.name] = chosen[variable.name] ?? options;
  }
  return found;
}

/** The series of a target, over the time range or at its end. */
export async function seriesOf(target: Target, values: Values, span: Span): Promise<Series[]> {
  const query = filled(target.expr, values, span);
  if (target.instant) {
    const { result } = await ask('query', { query, time: span.to });
    return result.map((each: any) => ({ metric: each.metric, values: [each.value] }));
  }
  const step = stepOf(span);
  const [start, end] = [span.from, span.to].map((time) => Math.floor(time / step) * step);
  return (await ask('query_range', { query, start: start!, end: end!, step })).result;
}
