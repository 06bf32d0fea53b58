// Small texts in Docker's manner: ages, sizes, shortened ids.

const UNITS: readonly (readonly [number, string])[] = [
  [365.25 * 24 * 3600, 'year'],
  [30 * 24 * 3600, 'month'],
  [7 * 24 * 3600, 'week'],
  [24 * 3600, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
];

/** Seconds as people say them: "3 minutes", "About an hour", "Less than a second". */
export function durationText(seconds: number): string {
  if (seconds < 1) return 'Less than a second';
  if (seconds < 60) return `${Math.floor(seconds)} second${Math.floor(seconds) === 1 ? '' : 's'}`;
  if (seconds < 120) return 'About a minute';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} minutes`;
  if (seconds < 5400) return 'About an hour';
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} hours`;
  if (seconds < 14 * 24 * 3600) return `${Math.floor(seconds / 86_400)} days`;
  for (const [size, name] of UNITS) {
    const count = Math.floor(seconds / size);
    if (count >= 2) return `${count} ${name}s`;
  }
  return `${Math.floor(seconds / 86_400)} days`;
}

/** "3 minutes ago" from an RFC 3339 time. */
export function ago(time: string, now: number): string {
  return `${durationText(Math.max(0, now - Date.parse(time)) / 1000)} ago`;
}

export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

/** Bytes as Docker shows image sizes: powers of 1000, three digits. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${units[unit]}`;
}

/** Bytes in powers of 1024, as in `node inspect --pretty`. */
export function memoryText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** First letter large, as states are shown. */
export function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
