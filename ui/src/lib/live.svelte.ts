// weir's heartbeat: one stream of server-sent events a tab, every five seconds. Views that look at "the last hour" ask
// anew when it beats. A hidden tab hangs up; a lost stream is tried again with growing pauses.
import { ask, serverSentEvents } from './api';

export interface Beat { unix_ms: number; in_flight: number; requests_per_s: number | null; warnings: string[]; version?: string }

class Live {
  beat = $state.raw<Beat | null>(null);
  count = $state(0);
  state = $state<'off' | 'live' | 'lost'>('off');
  #abort: AbortController | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = 1000;

  start(): void {
    this.stop();
    if (document.hidden) return;
    void this.#run((this.#abort = new AbortController()));
  }
  stop(): void {
    clearTimeout(this.#retry);
    this.#abort?.abort();
    this.#abort = null;
    this.state = 'off';
  }
  async #run(abort: AbortController): Promise<void> {
    try {
      const response = await ask('/admin/v1/live', { signal: abort.signal, headers: { accept: 'text/event-stream' } });
      for await (const { event, data } of serverSentEvents(response)) {
        if (abort.signal.aborted) return;
        if (event !== 'beat') continue;
        this.state = 'live';
        this.#pauseMs = 1000;
        this.beat = JSON.parse(data);
        this.count += 1;
      }
    } catch {
      // told below: whatever it was, it is tried again
    }
    if (abort.signal.aborted) return;
    this.state = 'lost';
    this.count += 1; // views find out on their own what still answers
    this.#retry = setTimeout(() => void this.#run(abort), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, 15_000);
  }
}

export const live = new Live();
