// One component for each kind of panel, around those of @grafana/ui.
import {
  cacheFieldDisplayNames,
  type DataFrame,
  FieldType,
  getDisplayProcessor,
  getDisplayValueAlignmentFactors,
  getFieldDisplayName,
  getFieldDisplayValues,
  type FieldConfigSource,
  type FieldDisplay,
  type GrafanaTheme2,
  type InterpolateFunction,
  type TimeRange,
  VizOrientation,
} from '@grafana/data';
import {
  BarGauge,
  BigValue,
  DataLinksContextMenu,
  TimeSeries,
  VizRepeater,
  type VizRepeaterRenderValueProps,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { type Mark, Marks } from './marks';
import { Timeline } from './timeline';

/** What a panel draws, and where. */
export interface Shown {
  frames: DataFrame[];
  options: any;
  fieldConfig: FieldConfigSource;
  width: number;
  height: number;
  theme: GrafanaTheme2;
  timeRange: TimeRange;
  marks: Mark[];
  replaceVariables: InterpolateFunction;
}

type Repeated = VizRepeaterRenderValueProps<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>;

function reduced({ frames, options, fieldConfig, theme, replaceVariables }: Shown): FieldDisplay[] {
  const { reduceOptions } = options;
  return getFieldDisplayValues({ data: frames, reduceOptions, fieldConfig, theme, replaceVariables, timeZone: 'utc' });
}

/** One value, or the link around it where it has one. */
function linked(value: FieldDisplay, draw: (className?: string) => React.JSX.Element): React.JSX.Element {
  if (!value.hasLinks || !value.getLinks) {
    return draw();
  }
  return <DataLinksContextMenu links={value.getLinks}>{({ targetClassName }) => draw(targetClassName)}</DataLinksContextMenu>;
}

function Repeat(shown: Shown & { draw: (each: Repeated) => React.JSX.Element; spacing: number; grid: boolean }) {
  const { options, width, height, frames, draw, spacing, grid } = shown;
  return (
    <VizRepeater
      getValues={() => reduced(shown)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={draw}
      orientation={options.orientation ?? VizOrientation.Auto}
      itemSpacing={spacing}
      autoGrid={grid}
      minVizHeight={grid ? undefined : options.minVizHeight}
      maxVizHeight={grid ? undefined : options.maxVizHeight}
      renderCounter={0}
      source={frames}
      width={width}
      height={height}
    />
  );
}

export function Stats(shown: Shown) {
  const { options, theme } = shown;
  const draw = ({ value, width, height, alignmentFactors, count }: Repeated) =>
    linked(value, (className) => (
      <BigValue
        value={value.display}
        colorMode={options.colorMode}
        graphMode={options.graphMode}
        justifyMode={options.justifyMode}
        textMode={options.textMode}
        disableWideLayout={!options.wideLayout}
        hasLinks={value.hasLinks}
        {...{ alignmentFactors, count, width, height, theme, className }}
      />
    ));
  return <Repeat {...shown} draw={draw} spacing={3} grid />;
}

export function Bars(shown: Shown) {
  const { options, theme } = shown;
  const draw = ({ value, width, height, alignmentFactors, orientation, count }: Repeated) =>
    linked(value, (className) => (
      <BarGauge
        value={value.display}
        field={value.field}
        display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
        displayMode={options.displayMode}
        valueDisplayMode={options.valueMode}
        namePlacement={options.namePlacement}
        showUnfilled={options.showUnfilled}
        itemSpacing={10}
        isOverflow={count * (options.minVizHeight ?? 16) > shown.height}
        {...{ alignmentFactors, orientation, width, height, theme, className }}
      />
    ));
  return <Repeat {...shown} draw={draw} spacing={10} grid={false} />;
}

/** Grafana's plug-in draws what is no number as a gap: a quantile of nothing would else leave the whole chart empty. */
function drawable(frame: DataFrame): DataFrame {
  const finite = (value: unknown) => (Number.isFinite(value) ? value : null);
  const fields = frame.fields.map((field) =>
    field.type === FieldType.number ? { ...field, values: field.values.map(finite) } : field
  );
  return { ...frame, fields };
}

export function Lines({ frames, options, width, height, timeRange, marks }: Shown) {
  return (
    <TimeSeries frames={frames.map(drawable)} legend={options.legend} options={options} timeZone="utc" structureRev={1} {...{ timeRange, width, height }}>
      {(config) => <Marks config={config} marks={marks} />}
    </TimeSeries>
  );
}

/** The first table, as Grafana shows it: of the others there is but a list of names to choose from. */
export function Rows({ frames, options, fieldConfig, width, height, theme }: Shown) {
  const [data] = frames;
  cacheFieldDisplayNames(frames);
  if (data) {
    for (const field of data.fields) {
      field.display ??= getDisplayProcessor({ field, theme, timeZone: 'utc' });
    }
  }
  return (
    <TableNG
      data={data!}
      noHeader={!options.showHeader}
      initialSortBy={options.sortBy}
      cellHeight={options.cellHeight}
      enableVirtualization={false}
      structureRev={1}
      {...{ width, height, fieldConfig }}
    />
  );
}

export function States({ frames, width, height, theme, timeRange, marks }: Shown) {
  const lanes = frames.flatMap((frame) => {
    const times = frame.fields.find((each) => each.type === FieldType.time);
    return frame.fields
      .filter((each) => each.type === FieldType.number)
      .map((field) => ({ name: getFieldDisplayName(field, frame, frames), field, times: times!.values as number[] }));
  });
  return <Timeline {...{ lanes, width, height, theme, timeRange, marks }} />;
}
