import { screen } from './print.ts'

/** On a terminal, once a second: how far, and how fast. @param what `entries checked` */
export function progress(what: string): (rows: number) => void {
  if (!process.stderr.isTTY) return () => {}
  const began = performance.now()
  let told = began
  return (rows) => {
    const now = performance.now()
    if (now - told < 1000) return
    told = now
    screen.err(`\r${rows} ${what}, ${Math.round(rows / ((now - began) / 1000))} per second `)
  }
}
