import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** One page, its script and its styles, served by the gateway under /console/ with a policy that lets nothing else in. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  plugins: [react()],
  logLevel: 'warn',
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    // Everything comes from one origin as a file: an inlined one would need `data:` in the page's policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2023',
    chunkSizeWarningLimit: 900,
  },
})
