// npm start. Plain JavaScript of long ago, so that a Node too old for the rest can still say so.
const [major, minor] = process.versions.node.split('.')

if (Number(major) < 24) {
  process.stderr.write(`Keystay needs Node 24. You have ${major}.${minor}: nvm install 24\n`)
  process.exitCode = 2
} else {
  await import('./start.ts')
}
