// Metrics in the text format of Prometheus (exposition format 0.0.4).
import type { EngineBackend } from '../backend/index.ts';

/** One value, with the labels that tell it from its siblings. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What is measured; read when somebody asks, so that it costs nothing in between. */
export interface Metric {
  /** Prometheus' rules: base units, and `_total` for what only grows. */
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  /** Undefined: this node has no such thing. */
  read(backend: EngineBackend): readonly Sample[] | undefined;
}

/** All metrics of a node as text. */
export function metricsText(metrics: readonly Metric[], backend: EngineBackend): string {
  const lines: string[] = [];
  for (const metric of metrics) {
    const samples = metric.read(backend);
    if (samples === undefined) continue;
    lines.push(`# HELP ${metric.name} ${metric.help}`, `# TYPE ${metric.name} ${metric.type}`);
    for (const { labels, value } of samples)
      lines.push(`${metric.name}${labelText(labels)} ${value}`);
  }
  return `${lines.join('\n')}\n`;
}

function labelText(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
