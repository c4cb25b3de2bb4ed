// Prometheus' series as Grafana's data frames, and what a panel's settings make of them.
import {
  applyFieldOverrides,
  type DataFrame,
  type Field,
  FieldType,
  type FieldConfigSource,
  type GrafanaTheme2,
  type InterpolateFunction,
  type PanelPlugin,
  renderLegendFormat,
  standardTransformers,
  standardTransformersRegistry,
  toDataFrame,
  transformDataFrame,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import type { Panel, Target } from './dashboard';
import { filled, type Series, seriesOf, stepOf, type Span, type Values } from './prometheus';

const { mergeTransformer, organizeFieldsTransformer, sortByTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() =>
  [mergeTransformer, organizeFieldsTransformer, sortByTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation,
    editor: () => null,
    imageDark: '',
    imageLight: '',
  }))
);

const number = (text: string) => Number(text === '+Inf' ? 'Infinity' : text === '-Inf' ? '-Infinity' : text);

function labelsOf(series: Series): Record<string, string> {
  const { __name__: _, ...labels } = series.metric;
  return labels;
}

function legend(target: Target, labels: Record<string, string>): string {
  if (target.legendFormat && target.legendFormat !== '__auto') {
    return renderLegendFormat(target.legendFormat, labels);
  }
  return Object.values(labels).join(' ') || target.expr;
}

/** Times of every step; null where the series has none, so that gaps are gaps. */
function onSteps(series: Series, target: Target, span: Span): Array<[number, number | null]> {
  if (target.instant || !series.values.length) {
    return series.values.map(([time, value]) => [time * 1000, number(value)]);
  }
  const step = stepOf(span);
  const known = new Map(series.values.map(([time, value]) => [Math.round(time), number(value)]));
  const found: Array<[number, number | null]> = [];
  for (let time = Math.round(series.values[0]![0]); time <= series.values.at(-1)![0]; time += step) {
    found.push([time * 1000, known.get(time) ?? null]);
  }
  return found;
}

/** One frame for each series, named by its legend. */
function courses(target: Target, all: Series[], span: Span): DataFrame[] {
  return all.map((series) => {
    const labels = labelsOf(series);
    const displayNameFromDS = legend(target, labels);
    const points = onSteps(series, target, span);
    return toDataFrame({
      refId: target.refId,
      name: displayNameFromDS,
      fields: [
        { name: 'Time', type: FieldType.time, config: {}, values: points.map(([time]) => time) },
        { name: 'Value', type: FieldType.number, labels, config: { displayNameFromDS }, values: points.map(([, v]) => v) },
      ],
    });
  });
}

/** One frame for each target: a row for each series, a column for each label. */
function table(target: Target, all: Series[], several: boolean): DataFrame[] {
  if (!all.length) {
    return [];
  }
  const names = [...new Set(all.flatMap((series) => Object.keys(labelsOf(series))))].sort();
  return [
    toDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, config: {}, values: all.map((series) => series.values.at(-1)![0] * 1000) },
        ...names.map((name) => ({
          name,
          type: FieldType.string,
          config: {},
          values: all.map((series) => series.metric[name] ?? ''),
        })),
        {
          name: several ? `Value #${target.refId}` : 'Value',
          type: FieldType.number,
          config: {},
          values: all.map((series) => number(series.values.at(-1)![1])),
        },
      ],
    }),
  ];
}

/** Everything that a panel's targets bring, after its transformations. Rejects with Prometheus' words. */
export async function framesOf(panel: Panel, values: Values, span: Span): Promise<DataFrame[]> {
  const targets = panel.targets ?? [];
  const brought = await Promise.all(
    targets.map(async (target) => {
      const all = await seriesOf(target, values, span);
      return target.format === 'table' ? table(target, all, targets.length > 1) : courses(target, all, span);
    })
  );
  return lastValueFrom(transformDataFrame(panel.transformations ?? [], brought.flat()));
}

/** Fills in variables in links and texts: the dashboard's, the time range, and the field at hand. */
export function replacer(values: Values, span: Span): InterpolateFunction {
  return (text, scoped, format) => {
    // of links, Grafana asks for values as they stand in an address (VariableFormatID.UriEncode)
    const written = (value: string): string => (format === 'uriencode' ? encodeURIComponent(value) : value);
    const field: Field | undefined = scoped?.__dataContext?.value?.field;
    return filled(
      text
        .replace(/\$\{__field\.labels\.(\w+)\}/g, (_, label) => written(field?.labels?.[label] ?? ''))
        .replace(/\$\{__data\.fields\.(\w+)\}/g, (_, name) => written(cell(scoped?.__dataContext?.value, name)))
        .replaceAll('${__url_time_range}', `from=${span.from * 1000}&to=${span.to * 1000}`)
        .replace(/\$\{(\w+):queryparam\}/g, (_, name) =>
          (values[name] ?? []).map((value) => `var-${name}=${encodeURIComponent(value)}`).join('&')
        ),
      values,
      span
    );
  };
}

function cell(context: { frame: DataFrame; rowIndex?: number } | undefined, name: string): string {
  const found = context?.frame.fields.find((each) => each.name === name);
  return found && context?.rowIndex !== undefined ? String(found.values[context.rowIndex]) : '';
}

/** The frames as a panel draws them: units, thresholds, names, colours, links. */
export function configured(
  data: DataFrame[],
  fieldConfig: FieldConfigSource,
  plugin: PanelPlugin,
  replaceVariables: InterpolateFunction,
  theme: GrafanaTheme2
): DataFrame[] {
  const { fieldConfigRegistry } = plugin;
  return applyFieldOverrides({ data, fieldConfig, fieldConfigRegistry, replaceVariables, theme, timeZone: 'utc' });
}
