// Times as text in RFC 3339 and back, in UTC, without the machine's clock: for log records and for
// labels that containerd reads.

const MS_PER_DAY = 86_400_000;

/** Milliseconds since 1970 as "2026-01-02T03:04:05.678Z". */
export function formatTime(ms: number): string {
  const days = Math.floor(ms / MS_PER_DAY);
  const rest = Math.floor(ms - days * MS_PER_DAY);
  const { year, month, day } = civilDate(days);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = [rest / 3_600_000, (rest / 60_000) % 60, (rest / 1000) % 60].map((part) =>
    two(Math.floor(part)),
  );
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  return `${date}T${time.join(':')}.${String(rest % 1000).padStart(3, '0')}Z`;
}

/** The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar. */
function civilDate(days: number): { year: number; month: number; day: number } {
  // Years are counted from March, so that the leap day is the last one: each block of 400 years has
  // 146,097 days, and months repeat in groups of 153 days.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
