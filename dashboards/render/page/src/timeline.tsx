// A state timeline: Grafana's is part of its server's front end and not on npm, so this one is built from @grafana/ui's
// legend and plain boxes.
import { dateTimeFormat, type Field, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { LegendDisplayMode, VizLegend } from '@grafana/ui';
import type { Mark } from './marks';

export interface Lane {
  name: string;
  field: Field;
  times: number[];
}

interface Stretch {
  from: number;
  to: number;
  text: string;
  color: string;
}

const NAMES = 120;
const FOOT = 56;
const TICKS = 7;

/** Equal values that follow one another, as one stretch; a gap (null) ends it. */
function stretches({ field, times }: Lane): Stretch[] {
  const found: Stretch[] = [];
  const step = times.length > 1 ? times[1]! - times[0]! : 0;
  field.values.forEach((value, index) => {
    if (value === null) {
      return;
    }
    const { text, color } = field.display!(value);
    const [from, last] = [times[index]!, found.at(-1)];
    if (last && last.text === text && from <= last.to) {
      last.to = from + step;
    } else {
      found.push({ from, to: from + step, text, color: color! });
    }
  });
  return found;
}

interface Props {
  lanes: Lane[];
  width: number;
  height: number;
  theme: GrafanaTheme2;
  timeRange: TimeRange;
  marks: Mark[];
}

export function Timeline({ lanes, width, height, theme, timeRange, marks }: Props) {
  const [begin, end] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const inner = width - NAMES;
  const x = (time: number) => ((Math.min(Math.max(time, begin), end) - begin) / (end - begin)) * inner;
  const each = (height - FOOT) / Math.max(lanes.length, 1);
  const all = lanes.map(stretches);
  const colors = new Map(all.flat().map(({ text, color }) => [text, color]));
  const ticks = Array.from({ length: TICKS }, (_, index) => begin + ((index + 0.5) * (end - begin)) / TICKS);
  return (
    <div style={{ position: 'relative', width, height, font: theme.typography.bodySmall.fontFamily, fontSize: 12 }}>
      {lanes.map(({ name }, index) => (
        <div key={name} style={{ position: 'absolute', top: index * each, height: each, width, display: 'flex', alignItems: 'center' }}>
          <span style={{ width: NAMES, paddingRight: 8, textAlign: 'right' }}>{name}</span>
          <div style={{ position: 'relative', height: each * 0.8, width: inner }}>
            {all[index]!.map(({ from, to, text, color }) => (
              <div
                key={from}
                style={{ position: 'absolute', left: x(from), width: x(to) - x(from), height: '100%', background: color, padding: 4,
                  color: theme.colors.getContrastText(color), overflow: 'hidden' }}
              >
                {text}
              </div>
            ))}
          </div>
        </div>
      ))}
      {marks.map(({ time, color, title }) => (
        <div key={`${time}${title}`} style={{ position: 'absolute', left: NAMES + x(time), top: 0, height: height - FOOT, borderLeft: `1px dashed ${color}` }} />
      ))}
      {ticks.map((time) => (
        <span key={time} style={{ position: 'absolute', top: height - FOOT + 4, left: NAMES + x(time) - 18, color: theme.colors.text.secondary }}>
          {dateTimeFormat(time, { timeZone: 'utc', format: 'HH:mm' })}
        </span>
      ))}
      <div style={{ position: 'absolute', bottom: 0 }}>
        <VizLegend
          placement="bottom"
          displayMode={LegendDisplayMode.List}
          items={[...colors].map(([label, color]) => ({ label, color, yAxis: 1 }))}
        />
      </div>
    </div>
  );
}
