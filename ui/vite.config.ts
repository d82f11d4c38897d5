import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// One script, one style sheet, no inlined assets: what the page's content policy ('self' only) allows. Names carry
// the hash of their content, so the server lets browsers keep them for ever.
export default defineConfig({
  base: '/console/',
  plugins: [svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    cssCodeSplit: false,
  },
  // `npm run dev` beside a running weir: WEIR_URL=http://127.0.0.1:8080 npm run dev
  server: {
    proxy: Object.fromEntries(['/admin', '/v1'].map((path) => [path, process.env.WEIR_URL ?? 'http://127.0.0.1:8080'])),
  },
});
