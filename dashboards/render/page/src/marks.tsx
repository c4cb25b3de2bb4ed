// Annotations: a dashed line in each course, a triangle below it. Grafana's plug-in for them is not on npm.
import { dateTimeFormat } from '@grafana/data';
import type { UPlotConfigBuilder } from '@grafana/ui';
import { useLayoutEffect } from 'react';
import type uPlot from 'uplot';
import type { Annotation } from './dashboard';
import { ask, filled, type Span, type Values } from './prometheus';

/** One annotation at a time (ms). */
export interface Mark {
  time: number;
  title: string;
  color: string;
}

const BETWEEN_S = 120; // values further apart than this are two events

/** The events of a dashboard's annotations in the time range; rejects with Prometheus' words. */
export async function marksOf(annotations: Annotation[], values: Values, span: Span, colors: (name: string) => string) {
  const found: Mark[] = [];
  for (const annotation of annotations) {
    const query = filled(annotation.expr, values, span);
    const step = parseInt(annotation.step, 10);
    const { result } = await ask('query_range', { query, start: span.from, end: span.to, step });
    for (const series of result) {
      const title = annotation.titleFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => series.metric[label] ?? '');
      const times: number[] = series.values.map(([time, value]: [number, string]) =>
        annotation.useValueForTime ? Number(value) / 1000 : time
      );
      const starts = [...new Set(times)].filter((time, index, all) => index === 0 || time - all[index - 1]! > BETWEEN_S
        || annotation.useValueForTime);
      const within = starts.filter((time) => time >= span.from && time <= span.to);
      found.push(...within.map((time) => ({ time: time * 1000, title, color: colors(annotation.iconColor) })));
    }
  }
  return found.sort((one, other) => one.time - other.time);
}

function drawn(plot: uPlot, marks: Mark[]) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { time, color } of marks) {
    const x = Math.round(plot.valToPos(time, 'x', true));
    ctx.strokeStyle = ctx.fillStyle = color;
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + bbox.height - 2);
    ctx.lineTo(x - 4, bbox.top + bbox.height + 5);
    ctx.lineTo(x + 4, bbox.top + bbox.height + 5);
    ctx.fill();
  }
  ctx.restore();
}

export function Marks({ config, marks }: { config: UPlotConfigBuilder; marks: Mark[] }) {
  useLayoutEffect(() => {
    config.addHook('draw', (plot: uPlot) => drawn(plot, marks));
  }, [config, marks]);
  return null;
}

/** Which annotation is which: Grafana tells when the mouse is over one, a picture cannot. */
export function MarkLegend({ marks }: { marks: Mark[] }) {
  return (
    <ul className="marks">
      {marks.map(({ time, title, color }) => (
        <li key={`${time}${title}`}>
          <i style={{ background: color }} />
          {dateTimeFormat(time, { timeZone: 'utc', format: 'HH:mm:ss' })} {title}
        </li>
      ))}
    </ul>
  );
}
