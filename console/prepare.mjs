// With npm ci: the console is built where its tools are, and left out where only what runs was asked for.
import { existsSync } from 'node:fs'

const tools = new URL('../node_modules/vite/package.json', import.meta.url)
const isAble = Number(process.versions.node.split('.')[0]) >= 24
if (existsSync(tools) && isAble) await import('./build.ts')
