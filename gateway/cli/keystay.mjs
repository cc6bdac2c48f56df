#!/usr/bin/env node
// The bin. Plain JavaScript of long ago, so that a Node too old for the rest can still say so. In a clone the TypeScript
// runs as it stands; the package holds what was built from it, since Node strips no types under node_modules.
import { existsSync } from 'node:fs'

const [major, minor] = process.versions.node.split('.')

if (Number(major) < 24) {
  process.stderr.write(`Keystay needs Node 24. You have ${major}.${minor}: nvm install 24\n`)
  process.exitCode = 2
} else if (existsSync(new URL('./main.ts', import.meta.url))) {
  await import('./main.ts')
} else {
  await import(new URL('../../dist/gateway/cli/main.js', import.meta.url).href)
}
