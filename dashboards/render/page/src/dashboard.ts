// What of a dashboard's JSON the page reads.
import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  format?: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
  transformations?: DataTransformerConfig[];
  fieldConfig: FieldConfigSource;
  options: Record<string, unknown>;
}

export interface Variable {
  name: string;
  label: string;
  type: string;
  query: string;
}

export interface Annotation {
  name: string;
  expr: string;
  iconColor: string;
  titleFormat: string;
  useValueForTime?: boolean;
  step: string;
}

export interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
}
