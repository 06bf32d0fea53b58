// Durations in Go's notation ("1m30s", "500ms") and sizes ("512M", "1.5g"), as Docker's flags take them.

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Nanoseconds; raises an error naming the text. */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  let total = 0;
  let rest = trimmed;
  while (rest !== '') {
    const match = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/.exec(rest);
    const [all, number, unit] = match ?? [];
    if (all === undefined || number === undefined || unit === undefined) {
      throw new Error(
        `invalid duration ${JSON.stringify(text)}: use a number with ns, us, ms, s, m or h, such as 1m30s`,
      );
    }
    total += Number(number) * (UNIT_NS[unit] ?? 0);
    rest = rest.slice(all.length);
  }
  return Math.round(total);
}

/** "1m30s" from nanoseconds. */
export function durationToText(ns: number): string {
  if (ns === 0) return '0s';
  if (ns < 1e9) return `${ns / 1e6}ms`;
  const seconds = ns / 1e9;
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  const s = Math.round((seconds % 60) * 1000) / 1000;
  return `${h > 0 ? `${h}h` : ''}${m > 0 ? `${m}m` : ''}${s > 0 ? `${s}s` : ''}`;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** Bytes, in powers of 1024; raises an error naming the text. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text.trim());
  const factor = SIZE_UNITS[(match?.[2] ?? '').toLowerCase()];
  if (match?.[1] === undefined || factor === undefined) {
    throw new Error(
      `invalid size ${JSON.stringify(text)}: use a number with k, m or g, such as 512M`,
    );
  }
  return Math.floor(Number(match[1]) * factor);
}

/** Nano-CPUs from a number of CPUs. */
export function parseCpus(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || text.trim() === '') {
    throw new Error(`invalid number of CPUs ${JSON.stringify(text)}: use a number such as 0.5`);
  }
  return Math.round(value * 1e9);
}
