// The admin API as the console sees it. The key lives in this tab only (sessionStorage), goes out as a bearer token,
// never in an address.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
    readonly requestId: string | null = null,
  ) {
    super(message);
  }
}

const kStored = 'weir.key';
let key: string | null = sessionStorage.getItem(kStored);

export function hasKey(): boolean {
  return key !== null;
}
export function setKey(text: string | null): void {
  key = text;
  if (text === null) sessionStorage.removeItem(kStored);
  else sessionStorage.setItem(kStored, text);
}

/** Called when weir no longer takes the key. */
let onSignedOut: () => void = () => {};
export function whenSignedOut(f: () => void): void {
  onSignedOut = f;
}

const kTimeoutMs = 30_000;

/** One answer, any status below 400. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key) headers.set('authorization', `Bearer ${key}`);
  if (init.body) headers.set('content-type', 'application/json');
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, credentials: 'omit', cache: 'no-store' });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    if ((error as Error).name === 'TimeoutError') throw new ApiError(0, `weir did not answer within ${kTimeoutMs / 1000} s.`);
    throw new ApiError(0, 'weir cannot be reached.');
  }
  if (response.ok) return response;
  let message = `weir answered ${response.status}.`;
  let code: string | null = null;
  try {
    const body = await response.json();
    message = body.error?.message ?? message;
    code = body.error?.code ?? null;
  } catch {
    // no JSON: the status says what there is to say
  }
  if (response.status === 401 && path.startsWith('/admin/')) onSignedOut();
  throw new ApiError(response.status, message, code, response.headers.get('x-weir-request-id'));
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const bound = AbortSignal.timeout(kTimeoutMs);
  return (await ask(path, { signal: signal ? AbortSignal.any([signal, bound]) : bound })).json();
}
export async function send<T>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const response = await ask(path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(kTimeoutMs),
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

/** The data of server-sent events, until the stream ends or `signal` says so. */
export async function* serverSentEvents(response: Response): AsyncGenerator<{ event: string; data: string }> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value.replaceAll('\r', '');
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      let event = 'message';
      const data: string[] = [];
      for (const line of rest.slice(0, end).split('\n')) {
        if (line.startsWith('event:')) event = line.slice(6).trim();
        if (line.startsWith('data:')) data.push(line.slice(5).trimStart());
      }
      rest = rest.slice(end + 2);
      if (data.length) yield { event, data: data.join('\n') };
    }
  }
}

// ---------------------------------------------------------------------------------------------------------- shapes

export interface Me { name: string; tenant: string; roles?: string[]; permissions?: string[] }
export interface List<T> { data: T[]; next?: string | null }

type Values = (number | null)[];
export interface Totals {
  requests: number; ok: number; refused: number; limited: number; errors: number; left: number; streamed: number; retried: number;
  unpriced: number; input_tokens: number; cached_input_tokens: number; output_tokens: number; cost_nanodollars: number;
  p50_ms: number | null; p95_ms: number | null; p99_ms: number | null;
  ttft_p50_ms: number | null; ttft_p95_ms: number | null; ttft_p99_ms: number | null;
}
export interface Overview {
  from_ms: number; to_ms: number; step_ms: number; times_ms: number[];
  series: Record<'requests' | 'ok' | 'refused' | 'limited' | 'errors' | 'left' | 'input_tokens' | 'cached_input_tokens' | 'output_tokens' | 'cost_nanodollars'
    | 'p50_ms' | 'p95_ms' | 'p99_ms' | 'ttft_p50_ms' | 'ttft_p95_ms' | 'ttft_p99_ms', Values>;
  totals: Totals; before: Totals;
  warnings: string[]; in_flight: number; marks: { unix_ms: number; kind: string; text: string }[];
}
export interface ModelRow extends Totals {
  model: string; provider: string; endpoint: string; share: number;
  state: string | null; state_text: string | null;
  unbilled: boolean; price: { input_usd: string; output_usd: string } | null;
  spark: { requests: Values; p95_ms: Values };
}
export interface Models { from_ms: number; to_ms: number; step_ms: number; times_ms: number[]; data: ModelRow[] }
export interface Heat { times_ms: number[]; step_ms: number; bounds_ms: number[]; counts: number[][] }
export interface RequestRow {
  place: string; request_id: string; unix_ms: number; ending: string; status: number; outcome: string; reason: string | null;
  operation: string; model_asked: string | null; model: string | null; provider: string | null; provider_model: string | null; endpoint: string | null;
  tenant: string | null; key: string | null; peer: string | null; streamed: boolean; attempts: number;
  duration_ms: number | null; first_token_ms: number | null;
  input_tokens: number | null; cached_input_tokens: number | null; output_tokens: number | null; reasoning_tokens: number | null; cost_nanodollars: number | null;
}
export interface RequestPage extends List<RequestRow> { scanned: number; stopped: boolean }
export interface RequestDetail extends RequestRow {
  received_unix_ns: string; class: string; request_bytes: number; answer_bytes: number; stream_events: number; begun_by: string | null;
  stages: { name: string; from_us: number; to_us: number }[];
  price_lines: { what: string; tokens: number; usd_per_million: string; nanodollars: number }[];
}
export interface Budget { period: string; usd?: string | null; tokens?: number | null }
export interface Limits {
  requests_per_minute?: number | null; input_tokens_per_minute?: number | null; output_tokens_per_minute?: number | null;
  usd_per_minute?: string | null; streams?: number | null; budgets?: Budget[]; each_agent?: Limits;
}
export interface Account {
  id: string; name: string; tenant?: string; team?: string; user?: string; roles?: string[]; models?: string[]; limits?: Limits;
  state?: string; created?: number; created_unix_ms?: number; expires?: number | null; revoked?: number | boolean | null; last4?: string;
}
export interface Alert {
  rule: string; subject: string; tenant: string; severity: 'info' | 'warning' | 'critical'; measure: string;
  value: number; above: number; since: number; fired: number; ended: number | null;
}
export interface AlertRule {
  rule: string; severity: Alert['severity']; measure: string; above: number; value: number | null; subjects: number; firing: number;
  over_ms: number; for_ms: number; model: string; provider: string; tenant: string;
}
export interface AlertWebhook { name: string; host: string; severity: string; signed: boolean; delivered: number; failed: number; waiting: number; trouble: string }
export interface Alerts { checked: number | null; trouble: string; firing: Alert[]; history: Alert[]; rules: AlertRule[]; webhooks: AlertWebhook[] }
export interface SlaRow {
  model?: string; tenant?: string; provider?: string; requests: number; counted: number; ok: number; errors: number; refused: number; limited: number; left: number;
  availability_percent: number | null; met: boolean | null; error_minutes: number; minutes: number;
  p50_ms: number | null; p95_ms: number | null; p99_ms: number | null; ttft_p95_ms: number | null;
}
export interface Sla { step_s: number; by: 'model' | 'tenant' | 'provider'; objective_percent: number; bad_percent: number; data: SlaRow[]; all: SlaRow }
export interface BudgetUse {
  scope: string; id: string; name?: string; tenant?: string; period: string; usd?: string | null; tokens?: number | null;
  spent_usd?: string | null; spent_tokens?: number | null; reserved_usd?: string | null; share: number; resets_at?: number | null;
}
