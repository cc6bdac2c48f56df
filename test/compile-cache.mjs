// Tests start hundreds of processes that load the same modules: what V8 and the type stripper made of them is kept beside
// the packages. Coverage is not exact with it. https://nodejs.org/api/module.html#module-compile-cache
import { fileURLToPath } from 'node:url'

if (process.env.NODE_V8_COVERAGE === undefined)
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
    new URL('../node_modules/.cache/node-compile-cache', import.meta.url),
  )
