// With npm ci: the console is built where its tools are, and left out where only what runs was asked for. npm runs this
// for npx too, which has it already, and for what is packed, which prepack builds.
import { existsSync } from 'node:fs'

const at = (path) => existsSync(new URL(path, import.meta.url))
const isAble = Number(process.versions.node.split('.')[0]) >= 24
const isBuilt = ['exec', 'pack', 'publish'].includes(process.env.npm_command) && at('../dist/console/index.html')
if (at('../node_modules/vite/package.json') && isAble && !isBuilt) await import('./build.ts')
