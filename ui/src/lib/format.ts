// How figures are written: three significant digits, the unit in the head or behind the number, exact on hover.

const kEmpty = '–';

/** 1234 -> 1.23k; 0.0421 -> 0.0421. */
export function short(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return kEmpty;
  const size = Math.abs(n);
  for (const [unit, letter] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (size >= unit * 0.9995) return digits(n / unit) + letter;
  }
  return digits(n);
}

/** Three significant digits, no exponent, thousands grouped. */
export function digits(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return kEmpty;
  if (n === 0) return '0';
  const size = Math.abs(n);
  if (size >= 100) return Math.round(n).toLocaleString('en-US');
  if (Number.isInteger(n)) return String(n);
  const places = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return n.toFixed(Math.min(places, 9)).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
}

export function whole(n: number | null | undefined): string {
  return n === null || n === undefined ? kEmpty : Math.round(n).toLocaleString('en-US');
}

/** Milliseconds as people say them: 420 µs, 12.3 ms, 1.23 s, 2 min 5 s, 3.5 h. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return kEmpty;
  if (ms === 0) return '0 ms';
  if (ms < 1) return `${digits(ms * 1000)} µs`;
  if (ms < 1000) return `${digits(ms)} ms`;
  if (ms < 120_000) return `${digits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds >= 7200) return `${digits(seconds / 3600)} h`;
  return `${Math.floor(seconds / 60)} min${seconds % 60 ? ` ${seconds % 60} s` : ''}`;
}

export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return kEmpty;
  return `${digits(share * 100)} %`;
}

/** Dollars from nano-dollars: to the cent from one dollar on, three significant digits below. */
export function money(nano: number | null | undefined): string {
  if (nano === null || nano === undefined || !Number.isFinite(nano)) return kEmpty;
  const dollars = nano / 1e9;
  if (dollars === 0) return '$0';
  if (Math.abs(dollars) >= 1)
    return `$${dollars.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${digits(dollars)}`;
}
export function exactMoney(nano: number | null | undefined): string {
  return nano === null || nano === undefined ? 'no price known' : `${nano.toLocaleString('en-US')} nano-dollars`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** Local time; with the day where it is not today. */
export function time(ms: number | null | undefined, milliseconds = false): string {
  if (!ms) return kEmpty;
  const at = new Date(ms);
  const text = clock.format(at) + (milliseconds ? `.${String(at.getMilliseconds()).padStart(3, '0')}` : '');
  return at.toDateString() === new Date().toDateString() ? text : `${day.format(at)} ${text}`;
}
export function utc(ms: number | null | undefined): string {
  return ms ? `${new Date(ms).toISOString()} (UTC)` : '';
}
export function ago(ms: number, now = Date.now()): string {
  const s = Math.max(0, Math.round((now - ms) / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 86400) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}
export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return kEmpty;
  if (n < 1024) return `${n} B`;
  if (n < 1024 * 1024) return `${digits(n / 1024)} KiB`;
  return `${digits(n / 1024 / 1024)} MiB`;
}
