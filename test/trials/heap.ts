/** For `node --expose-gc --import`: at SIGUSR2 the process says on standard error what its heap holds once it is swept. */
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  process.stderr.write(`${JSON.stringify({ heap_bytes: process.memoryUsage().heapUsed })}\n`)
})
