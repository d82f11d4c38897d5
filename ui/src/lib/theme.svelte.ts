// Light, dark, or as the system says. Kept for the browser, not for the key.
type Theme = 'system' | 'light' | 'dark';
const kStored = 'weir.theme';

const dark = matchMedia('(prefers-color-scheme: dark)');
let chosen = $state<Theme>((localStorage.getItem(kStored) as Theme) ?? 'system');
let systemDark = $state(dark.matches);
dark.addEventListener('change', () => (systemDark = dark.matches));

export const theme = {
  get chosen(): Theme {
    return chosen;
  },
  get dark(): boolean {
    return chosen === 'dark' || (chosen === 'system' && systemDark);
  },
  choose(next: Theme): void {
    chosen = next;
    localStorage.setItem(kStored, next);
    apply();
  },
};
export function apply(): void {
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
apply();

/** A colour of app.css, as it is now: for canvases. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
