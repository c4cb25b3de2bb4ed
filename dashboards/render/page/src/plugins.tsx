// The five kinds of panel, as Grafana's plug-ins have them: these are not on npm, so each is declared here with its
// defaults, around the component of @grafana/ui that it draws with.
import {
  displayNameOverrideProcessor,
  FieldColorModeId,
  FieldConfigProperty,
  type FieldConfigPropertyItem,
  identityOverrideProcessor,
  dataLinksOverrideProcessor,
  numberOverrideProcessor,
  PanelPlugin,
  standardFieldConfigEditorRegistry,
  stringOverrideProcessor,
  ThresholdsMode,
  thresholdsOverrideProcessor,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { Bars, Lines, Rows, type Shown, States, Stats } from './panels';

const nothing = () => null;

function property(id: string, process: FieldConfigPropertyItem['process'], defaultValue?: unknown) {
  const known = { id, path: id, name: id, process, defaultValue, editor: nothing, override: nothing, settings: {} };
  return { ...known, shouldApply: () => true } as FieldConfigPropertyItem;
}

// what Grafana assumes of every field unless a dashboard says otherwise: red from 80 on, whatever 80 is
const THRESHOLDS = {
  mode: ThresholdsMode.Absolute,
  steps: [
    { value: -Infinity, color: 'green' },
    { value: 80, color: 'red' },
  ],
};

standardFieldConfigEditorRegistry.setInit(() => [
  property(FieldConfigProperty.DisplayName, displayNameOverrideProcessor),
  property(FieldConfigProperty.Unit, unitOverrideProcessor),
  property(FieldConfigProperty.Min, numberOverrideProcessor),
  property(FieldConfigProperty.Max, numberOverrideProcessor),
  property(FieldConfigProperty.Decimals, numberOverrideProcessor),
  property(FieldConfigProperty.NoValue, stringOverrideProcessor),
  property(FieldConfigProperty.Thresholds, thresholdsOverrideProcessor, THRESHOLDS),
  property(FieldConfigProperty.Mappings, valueMappingsOverrideProcessor, []),
  property(FieldConfigProperty.Links, dataLinksOverrideProcessor, []),
  property(FieldConfigProperty.Color, identityOverrideProcessor),
]);

type Component = (shown: Shown) => React.JSX.Element;

function declared(component: Component, custom: Record<string, unknown>, color?: FieldColorModeId): PanelPlugin {
  return new PanelPlugin(component as never).useFieldConfig({
    standardOptions: color ? { [FieldConfigProperty.Color]: { defaultValue: { mode: color } } } : {},
    useCustomConfig: (builder) =>
      Object.entries(custom).forEach(([path, defaultValue]) =>
        builder.addCustomEditor({
          id: path,
          path: path as never,
          name: path,
          defaultValue: defaultValue as never,
          editor: nothing as never,
          override: nothing as never,
          process: identityOverrideProcessor as never,
          shouldApply: () => true,
        })
      ),
  });
}

const LINE = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  pointSize: 5,
  showPoints: 'auto',
  spanNulls: false,
  axisPlacement: 'auto',
  axisColorMode: 'text',
  axisLabel: '',
  axisSoftMin: undefined,
  axisSoftMax: undefined,
  scaleDistribution: { type: 'linear' },
  stacking: { mode: 'none', group: 'A' },
  thresholdsStyle: { mode: 'off' },
  hideFrom: { legend: false, tooltip: false, viz: false },
  lineStyle: { fill: 'solid' },
};

export const PLUGINS: Record<string, { plugin: PanelPlugin; Component: Component }> = {
  stat: { plugin: declared(Stats, {}), Component: Stats },
  bargauge: { plugin: declared(Bars, {}), Component: Bars },
  timeseries: { plugin: declared(Lines, LINE, FieldColorModeId.PaletteClassic), Component: Lines },
  table: { plugin: declared(Rows, { align: 'auto', inspect: false, cellOptions: { type: 'auto' }, width: undefined, minWidth: undefined }), Component: Rows },
  'state-timeline': {
    plugin: declared(States, { lineWidth: 0, fillOpacity: 70 }, FieldColorModeId.ContinuousGrYlRd),
    Component: States,
  },
};
