// Metrics as text, and over the API.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer } from '../../../test/builders/api-server.ts';
import { metricsText, type Metric } from './metric.ts';

describe('metrics', () => {
  it('are written as Prometheus reads them', () => {
    const metric: Metric = {
      name: 'a_total',
      help: 'Number of as.',
      type: 'counter',
      read: () => [{ value: 1 }, { labels: { b: 'with "\\\n' }, value: 2.5 }],
    };
    const absent: Metric = { ...metric, name: 'none', read: () => undefined };
    expect(metricsText([metric, absent], undefined as never)).toBe(
      '# HELP a_total Number of as.\n# TYPE a_total counter\na_total 1\na_total{b="with \\"\\\\\\n"} 2.5\n',
    );
  });
});

describe('/tsswarm/v1/metrics', () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await ApiServer.start(['n1', 'n2']);
  });
  afterAll(() => api.stop());

  it('shows node, cluster and process', async () => {
    const { status, text } = await api.call('GET', '/tsswarm/v1/metrics');
    expect(status).toBe(200);
    expect(text).toContain('swarm_manager_nodes{state="ready"} 2\n');
    expect(text).toContain('swarm_manager_tasks_total{state="running"} 0\n');
    expect(text).toContain('swarm_manager_leader 1\n');
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  });
});
