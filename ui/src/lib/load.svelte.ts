// What a view shows while it asks: the data it had stays until the new is there, so nothing flickers; a skeleton only
// when the first answer takes more than 200 ms; an error says what failed and leaves the old data standing.
import { ApiError, get } from './api';

export class Load<T> {
  data = $state.raw<T | null>(null);
  error = $state.raw<ApiError | null>(null);
  waiting = $state(false); // the first answer is late
  at = $state(0); // when the data came
  #abort: AbortController | null = null;
  #subject = '';
  #busy = false;

  /** As ask(), but not while an answer to the same subject is under way: a slow weir is not asked faster than it answers. */
  refresh(path: string, subject = ''): void {
    if (!this.#busy || subject !== this.#subject) this.ask(path, subject);
  }

  /** Asks for `path`; data of another `subject` is not shown meanwhile. Answers what to do when nobody wants it any more. */
  ask(path: string, subject = ''): () => void {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    if (subject !== this.#subject) {
      this.#subject = subject;
      this.data = null;
      this.error = null;
    }
    this.#busy = true;
    const late = setTimeout(() => (this.waiting = !abort.signal.aborted && this.#abort === abort), 200);
    get<T>(path, abort.signal)
      .then((data) => {
        if (this.#abort !== abort) return;
        this.data = data;
        this.error = null;
        this.at = Date.now();
      })
      .catch((error) => {
        if (this.#abort !== abort || abort.signal.aborted) return;
        this.error = error instanceof ApiError ? error : new ApiError(0, String(error?.message ?? error));
      })
      .finally(() => {
        clearTimeout(late);
        if (this.#abort === abort) this.waiting = this.#busy = false;
      });
    return () => abort.abort();
  }
}
