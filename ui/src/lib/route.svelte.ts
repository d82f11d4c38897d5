// Where the reader is: everything that decides what is shown stands in the address, so any view is a link.

export const kBase = '/console/';

export const kRanges = [
  { id: '15m', label: '15 minutes', seconds: 900 },
  { id: '1h', label: '1 hour', seconds: 3600 },
  { id: '6h', label: '6 hours', seconds: 21600 },
  { id: '24h', label: '24 hours', seconds: 86400 },
  { id: '7d', label: '7 days', seconds: 604800 },
  { id: '30d', label: '30 days', seconds: 2592000 },
] as const;
const kDefaultRange = '1h';

function read(): { path: string[]; query: URLSearchParams } {
  const path = location.pathname.startsWith(kBase) ? location.pathname.slice(kBase.length) : '';
  return { path: path.split('/').filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(location.search) };
}

let at = $state.raw(read());

export const route = {
  get place(): string {
    return at.path[0] ?? 'overview';
  },
  get item(): string | null {
    return at.path[1] ?? null;
  },
  query(name: string): string {
    return at.query.get(name) ?? '';
  },
  /** `range=1h`, or two moments in Unix seconds. */
  get range(): { id: string | null; from: number; to: number; relative: boolean } {
    const from = Number(at.query.get('from'));
    const to = Number(at.query.get('to'));
    if (from > 0 && to > from) return { id: null, from, to, relative: false };
    const id = at.query.get('range') ?? kDefaultRange;
    const known = kRanges.find((r) => r.id === id) ?? kRanges.find((r) => r.id === kDefaultRange)!;
    const now = Math.ceil(Date.now() / 1000);
    return { id: known.id, from: now - known.seconds, to: now, relative: true };
  },
};

/** The address of a place; the time range goes along. A null value takes a parameter away. */
export function href(path: string, query: Record<string, string | number | null> = {}): string {
  const kept = new URLSearchParams();
  for (const name of ['range', 'from', 'to']) {
    const value = at.query.get(name);
    if (value) kept.set(name, value);
  }
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === '') kept.delete(name);
    else kept.set(name, String(value));
  }
  if (kept.has('range') && 'range' in query) {
    kept.delete('from');
    kept.delete('to');
  }
  if ('from' in query && query.from !== null) kept.delete('range');
  const text = kept.toString();
  return kBase + path.split('/').map(encodeURIComponent).join('/') + (text ? `?${text}` : '');
}

/** The same place with other parameters. */
export function here(query: Record<string, string | number | null>): string {
  const all: Record<string, string | number | null> = {};
  for (const [name, value] of at.query) all[name] = value;
  if ('range' in query) all.from = all.to = null;
  if ('from' in query) all.range = null;
  return href(at.path.join('/'), { ...all, ...query });
}

export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  at = read();
  if (!replace) window.scrollTo(0, 0);
}

export function startRouting(): void {
  addEventListener('popstate', () => (at = read()));
  addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.('a');
    if (!link || link.target || link.origin !== location.origin || !link.pathname.startsWith(kBase)) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
